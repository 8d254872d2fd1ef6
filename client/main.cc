#include "client/run.h"
#include "core/base/status.h"

int main(int argc, char** argv) {
  return slotmatch::ExitStatus("slotmatch_client", slotmatch::RunClient(argc, argv));
}
