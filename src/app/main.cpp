#include <sys/prctl.h>
#include <sys/resource.h>

#include "app/program.h"

int main(int argc, char** argv) {
  // A core dump would hold keys and market data.
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
  return finpipe::run_program(argc, argv);
}
