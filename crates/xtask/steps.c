/* steps LOW HIGH PROGRAM ARGUMENTS...: runs it one instruction at a time, and prints where it has been between the two
   addresses, each 16 bytes once, in the order of the first visit. It follows what the program forks, until that executes
   another one; ptrace(2). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **words) {
  if (count < 4) return 2;
  unsigned long low = strtoul(words[1], NULL, 16), high = strtoul(words[2], NULL, 16);
  char *seen = calloc((high - low) / 16 + 1, 1);
  pid_t first = fork();
  if (!seen || first < 0) return 2;
  if (!first) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    execv(words[3], words + 3);
    _exit(127);
  }
  int status, end = 1, runs = 0;
  if (waitpid(first, &status, 0) != first) return 2;
  long follow = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  if (ptrace(PTRACE_SETOPTIONS, first, 0, follow) || ptrace(PTRACE_CONT, first, 0, 0)) return 2;
  for (pid_t one; (one = waitpid(-1, &status, __WALL)) > 0;) {
    if (!WIFSTOPPED(status)) {
      if (one == first) end = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
      continue;
    }
    int signal = WSTOPSIG(status), event = status >> 16;
    if (event == PTRACE_EVENT_EXEC && runs++) {
      ptrace(PTRACE_DETACH, one, 0, 0);
      continue;
    }
    struct user_regs_struct at;
    if (runs && !ptrace(PTRACE_GETREGS, one, 0, &at) && at.rip >= low && at.rip < high && !seen[(at.rip - low) / 16]) {
      seen[(at.rip - low) / 16] = 1;
      printf("%llx\n", at.rip);
    }
    /* Those that come of the tracing are not the program's. */
    if (event || signal == SIGTRAP || signal == SIGSTOP) signal = 0;
    ptrace(runs ? PTRACE_SINGLESTEP : PTRACE_CONT, one, 0, signal);
  }
  return end;
}
