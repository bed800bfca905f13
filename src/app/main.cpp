#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "app/program.h"

int main(int argc, char** argv) {
  // A core dump would hold keys and market data.
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
  // Threads free here what others allocated, which glibc keeps in the other's heap: with its default of eight heaps a
  // processor a quarter more memory is held, for no speed (benchmarks/kafka/backlog.py).
  mallopt(M_ARENA_MAX, 2);
  return finpipe::run_program(argc, argv);
}
