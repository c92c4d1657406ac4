/*
 * ennead-rt FILE.qbc|FILE.mjs [args]       runs a module
 * ennead-rt --compile IN.mjs OUT.qbc       writes it as bytecode
 * ennead-rt --init FILE.qbc [args]         runs it under the supervisor
 * as process 1 or under the name …/init    the same with /service.qbc
 */
#include "argument.h"
#include "engine.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SERVICE "/service.qbc"
#define EXIT_USAGE 64

static const char *program_path;

static int run(void) {
  struct rlimit limit = {FD_LIMIT, FD_LIMIT};
  signal(SIGPIPE, SIG_IGN);
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
    log_format("descriptors are not limited to %d", FD_LIMIT);
  return engine_run(program_path);
}

static void set_program(const char *path, int argc, char **argv) {
  program_path = path;
  program_argc = argc;
  program_argv = argv;
}

static bool named_init(const char *name) {
  size_t length = strlen(name);
  return length >= 5 && strcmp(name + length - 5, "/init") == 0;
}

static int usage(void) {
  fputs("usage: ennead-rt [--init] FILE [ARGUMENT…]\n       ennead-rt --compile FILE.mjs FILE.qbc\n", stderr);
  return EXIT_USAGE;
}

int main(int argc, char **argv) {
  if (!box_create())
    return RT_EXIT_FAILURE;
  if (getpid() == 1 || (argc > 0 && named_init(argv[0]))) {
    set_program(SERVICE, argc > 1 ? argc - 1 : 0, argv + 1);
    return supervisor_run(run);
  }
  if (argc == 4 && strcmp(argv[1], "--compile") == 0)
    return engine_compile(argv[2], argv[3]);
  if (argc >= 3 && strcmp(argv[1], "--init") == 0) {
    set_program(argv[2], argc - 3, argv + 3);
    return supervisor_run(run);
  }
  if (argc < 2 || argv[1][0] == '-')
    return usage();
  set_program(argv[1], argc - 2, argv + 2);
  return run();
}
