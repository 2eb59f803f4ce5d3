/* The commands of this room, as the table in main.c calls them: argv[0] is the
 * command's name; what comes back is the exit code. */
#pragma once

int audit_main(int argc, char **argv);
int dead_main(int argc, char **argv);
int demo_main(int argc, char **argv);
int health_main(int argc, char **argv);
int pause_main(int argc, char **argv);
int pen_main(int argc, char **argv);
int resume_main(int argc, char **argv);
int send_main(int argc, char **argv);
int service_main(int argc, char **argv);
int show_main(int argc, char **argv);
int spool_main(int argc, char **argv);
int status_main(int argc, char **argv);
int tail_main(int argc, char **argv);
int up_main(int argc, char **argv);
int verify_main(int argc, char **argv);
int version_main(int argc, char **argv);
int webhook_main(int argc, char **argv);
