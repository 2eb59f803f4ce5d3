/* The program `kula-relay watch`: keeps Kula's webhooks enabled. A process of its own, so that
 * serve never holds the API's token. */
#pragma once

int watch_main(int argc, char **argv); /* the exit code */
