/*
 * ennead-rt FILE.qbc|FILE.mjs [args]       runs a module
 * ennead-rt --compile IN.mjs OUT.qbc       writes it as bytecode
 * ennead-rt --init FILE.qbc [args]         runs it under the supervisor
 * as process 1 or under the name …/init    the same with /service.qbc
 */
#include "rt.h"
#include "engine.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_USAGE 64

static char *service[] = {"/service.qbc", NULL};
static char **program = service; /* the file's name and its arguments */
static int program_length = 1;

static int run(void) {
  struct rlimit limit = {FD_LIMIT, FD_LIMIT};
  signal(SIGPIPE, SIG_IGN);
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
    log_format("descriptors are not limited to %d", FD_LIMIT);
  return engine_run(program[0], program_length - 1, program + 1);
}

static bool is_init(const char *name) {
  size_t length = strlen(name);
  return getpid() == 1 || (length >= 5 && strcmp(name + length - 5, "/init") == 0);
}

int main(int argc, char **argv) {
  if (argc < 1 || !box_create() || !kept_create())
    return RT_EXIT_FAILURE;
  if (is_init(argv[0]))
    return supervisor_run(run);
  if (argc == 4 && strcmp(argv[1], "--compile") == 0)
    return engine_compile(argv[2], argv[3]);
  bool supervised = argc > 1 && strcmp(argv[1], "--init") == 0;
  program = argv + 1 + supervised;
  program_length = argc - 1 - supervised;
  if (program_length < 1 || program[0][0] == '-') {
    fputs("usage: ennead-rt [--init] FILE [ARGUMENT…]\n       ennead-rt --compile FILE.mjs FILE.qbc\n", stderr);
    return EXIT_USAGE;
  }
  return supervised ? supervisor_run(run) : run();
}
