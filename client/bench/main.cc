#include "client/bench/run.h"
#include "core/base/status.h"

int main(int argc, char** argv) {
  return slotmatch::ExitStatus("slotmatch_bench", slotmatch::RunBench(argc, argv));
}
