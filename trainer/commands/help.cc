#include <cstdio>

#include "trainer/commands/commands.h"

namespace slotmatch {

bool PrintedHelp(const OptionTable& options) {
  if (options.help_asked()) std::printf("%s", options.Help().c_str());
  return options.help_asked();
}

}  // namespace slotmatch
