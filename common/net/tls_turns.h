/* A peer does not keep OpenSSL reading.
 *
 * SSL_read and SSL_do_handshake return only when they have something for us or the socket is empty.
 * Whoever sends what is neither (key updates, handshakes that are refused, records of a byte)
 * faster than it can be read would keep the loop for as long as it likes: no other connection, no
 * deadline, not even its own. So now and then the socket is said to be empty, and as it is not, the
 * loop comes back to it, after all the others. */
#pragma once

struct ssl_st;

/* Where its socket is set, and each time that it is. */
void tls_turns_begin(struct ssl_st *);
