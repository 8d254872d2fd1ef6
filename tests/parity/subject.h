#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <string>

#include "tests/parity/fixture.h"

namespace slotmatch::parity {

// Part of a file; `name` is empty when the file has one case only.
struct Case {
  std::string name;
  std::string Key(const std::string& of) const { return name.empty() ? of : name + "." + of; }
};

// A module of the product under test.
struct Subject {
  std::shared_ptr<torch::nn::Module> module;
  Tensors parameters;  // of the module, by its names
  std::string prefix;  // of the fixture's names before those of the module
  // Outputs by name. The fixture is borrowed.
  std::function<Tensors(const Case&, const Tensors& inputs)> forward;
};

// The module that the fixture's construction arguments ("config") ask for, with its parameters.
// Throws FixtureError for one that is unknown or that the product cannot build.
Subject MakeSubject(const Fixture& fixture, torch::ScalarType dtype);

}  // namespace slotmatch::parity
