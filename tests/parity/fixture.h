#pragma once

#include <torch/types.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/weights/safetensors.h"

namespace slotmatch::parity {

// A fixture that cannot be used: not readable, of no known kind, or without something its kind
// needs. The message names the file and what is missing.
class FixtureError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using Tensors = std::map<std::string, torch::Tensor>;

// One file of golden values: tensors by key, settings as JSON strings in the metadata. Every call
// that cannot deliver throws FixtureError. Remembers which expected values were asked for, so that
// none can be forgotten.
class Fixture {
 public:
  // `name` is the path below `root`, as it is reported.
  Fixture(const std::string& root, const std::string& name);

  const std::string& name() const { return name_; }
  std::string path() const;       // root/name
  std::string directory() const;  // of path()

  bool Has(const std::string& key) const;
  // In its own type, or as `dtype`.
  torch::Tensor Tensor(const std::string& key) const;
  torch::Tensor Tensor(const std::string& key, torch::ScalarType dtype) const;
  // Keys that begin with `prefix`, in order, with the prefix.
  std::vector<std::string> Keys(const std::string& prefix) const;
  // Floating-point tensors whose key begins with `prefix`, without it, as `dtype`.
  Tensors Under(const std::string& prefix, torch::ScalarType dtype) const;

  bool HasSetting(const std::string& key) const;
  std::string Text(const std::string& key) const;        // a setting as it stands
  nlohmann::json Setting(const std::string& key) const;  // parsed

  // Largest absolute value over all gradients of the file.
  double LargestGradient() const;

  [[noreturn]] void Fail(const std::string& problem) const;  // throws FixtureError naming the file

  // The expected value `key`; it counts as compared.
  torch::Tensor Expected(const std::string& key) const;
  // Expected values that nobody asked for.
  std::vector<std::string> Forgotten() const;

 private:
  std::string root_, name_;
  std::shared_ptr<const SafetensorsFile> file_;
  mutable std::set<std::string> asked_;
};

// Whether a key holds an expected value: "out.", "out64." or "grad." at its start or after a case.
bool IsExpected(const std::string& key);

}  // namespace slotmatch::parity
