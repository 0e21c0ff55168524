// chorus-worker: the process in which an engine runs that may crash. Started by Chorus alone, with a socket as descriptor 3 and the number of
// the process that started it as its argument.
#include <engine/worker/process.h>
#include <engine/worker/serve.h>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "chorus-worker is started by Chorus, not by hand\n");
    return 2;
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != static_cast<pid_t>(std::atoi(arguments[1]))) return 0;  // gone before the line above
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  chorus::worker::serve(chorus::worker::kSocket);
  ::_exit(0);  // engines leave threads behind that nothing stops
}
