/* The program `kula-relay forward`: delivers events to the services. */
#pragma once

int forward_main(int argc, char **argv); /* the exit code */
