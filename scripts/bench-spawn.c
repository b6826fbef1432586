/*
 * The limit for programs that run commands: a loop of posix_spawn and waitpid, and nothing else. What it does per task
 * is what hsx has to do: a session of its own, stdin from /dev/null, stdout and stderr inherited.
 *
 *     bench-spawn EXECUTORS TASKS shell COMMAND     sh -c COMMAND, each %d in it the number of the task
 *     bench-spawn EXECUTORS TASKS direct PROGRAM    PROGRAM with the number of the task as its argument
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

int main(int count, char **words) {
  if (count != 5) {
    fprintf(stderr, "usage: bench-spawn EXECUTORS TASKS shell|direct COMMAND\n");
    return 2;
  }
  int executors = atoi(words[1]), tasks = atoi(words[2]), shell = strcmp(words[3], "shell") == 0;
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);

  int started = 0, running = 0, failed = 0;
  char text[4096], number[16];
  while (started < tasks || running > 0) {
    while (started < tasks && running < executors) {
      started += 1;
      snprintf(text, sizeof text, words[4], started);
      snprintf(number, sizeof number, "%d", started);
      char *by_shell[] = {"sh", "-c", text, NULL}, *directly[] = {words[4], number, NULL};
      pid_t pid;
      const char *program = shell ? "/bin/sh" : words[4];
      int error = posix_spawn(&pid, program, &files, &attributes, shell ? by_shell : directly, environ);
      if (error != 0) {
        fprintf(stderr, "bench-spawn: %s\n", strerror(error));
        return 1;
      }
      running += 1;
    }
    int status;
    if (waitpid(-1, &status, 0) < 0 && errno != EINTR) return 1;
    running -= 1;
    if (status != 0) failed += 1;
  }
  return failed > 0;
}
