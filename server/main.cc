#include "core/base/status.h"
#include "server/app/launch.h"

int main(int argc, char** argv) {
  return slotmatch::ExitStatus("slotmatch_server", slotmatch::LaunchServer(argc, argv));
}
