#pragma once

#include <string>

#include "slotmatch/config/train.pb.h"
#include "tests/parity/fixture.h"

namespace slotmatch::parity {

// The reference's name of a loss and that of the product's row.
struct LossName {
  const char* reference;
  const char* row;
};

// The product's loss settings for the fixture's "loss_weights", in the order of LossReference().
// FixtureError for a loss that has no row.
std::vector<config::LossConfig> LossesOf(const Fixture& fixture);
// "loss_featrec" of "reconstruction".
std::string LossReference(const std::string& row);

}  // namespace slotmatch::parity
