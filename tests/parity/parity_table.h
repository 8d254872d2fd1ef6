#pragma once

#include <string>
#include <vector>

#include "tests/parity/fixture.h"
#include "tests/parity/report.h"

namespace slotmatch::parity {

// Where fixtures find what they do not hold themselves.
struct Places {
  std::string models;  // weight files
  std::string data;    // tar files of pictures
};

// A kind of fixture: how to recognise it, and the comparison it stands for. `run` throws
// FixtureError when the fixture lacks what its kind needs.
struct KindRow {
  const char* name;
  bool (*fits)(const Fixture& fixture);
  void (*run)(const Fixture& fixture, const Places& places, Report* report);
};

// The first row that fits is taken.
const std::vector<KindRow>& KindTable();
// Throws FixtureError that lists the kinds there are.
const KindRow& KindOf(const Fixture& fixture);

// The rows' functions, one file each.
void RunModule(const Fixture& fixture, const Places& places, Report* report);
void RunVideo(const Fixture& fixture, const Places& places, Report* report);
void RunLosses(const Fixture& fixture, const Places& places, Report* report);
void RunTraining(const Fixture& fixture, const Places& places, Report* report);
void RunMetrics(const Fixture& fixture, const Places& places, Report* report);
void RunTransforms(const Fixture& fixture, const Places& places, Report* report);
void RunCheckpoints(const Fixture& fixture, const Places& places, Report* report);
void RunBackboneReal(const Fixture& fixture, const Places& places, Report* report);

}  // namespace slotmatch::parity
