// One module per file, several cases in one file: outputs, and the gradients of
// sum(out * in.weight.<out>) by parameter and by input.
#include <torch/torch.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/parity/parity_table.h"
#include "tests/parity/subject.h"

namespace slotmatch::parity {
namespace {

// Cases by the names of the outputs: "out.y" is of case "", "out.small.y" of case "small".
std::vector<Case> ModuleCases(const Fixture& fixture, const std::string& prefix) {
  std::set<std::string> names;
  for (const std::string& key : fixture.Keys(prefix)) {
    const size_t dot = key.rfind('.');
    names.insert(dot < prefix.size() ? "" : key.substr(prefix.size(), dot - prefix.size()));
  }
  std::vector<Case> cases;
  for (const std::string& name : names) cases.push_back({name});
  return cases;
}

// Every input of the file as a leaf; bytes as they are.
Tensors Inputs(const Fixture& fixture, torch::ScalarType dtype) {
  Tensors inputs;
  for (const std::string& key : fixture.Keys("in.")) {
    if (absl::StartsWith(key, "in.weight.")) continue;
    torch::Tensor value = fixture.Tensor(key, dtype);
    inputs[key.substr(3)] = value.set_requires_grad(true);
  }
  return inputs;
}

void CompareGradients(const Fixture& fixture, const Case& part, const Subject& subject,
                      const Tensors& inputs, const Tensors& outputs, Report* report) {
  const std::string prefix = "grad." + part.Key("");
  if (fixture.Keys(prefix).empty()) return;
  torch::Tensor loss;
  for (const auto& [name, value] : outputs) {
    const std::string weight = "in.weight." + part.Key(name);
    if (!fixture.Has(weight)) continue;
    const torch::Tensor term = (value * fixture.Tensor(weight)).sum();
    loss = loss.defined() ? loss + term : term;
  }
  if (!loss.defined()) fixture.Fail(absl::StrCat("no 'in.weight.", part.Key("*"), "'"));
  loss.backward();
  for (const auto& item : subject.module->named_parameters()) {
    const std::string key = absl::StrCat(prefix, subject.prefix, item.key());
    if (fixture.Has(key)) report->Compare(fixture, key, item.value().grad(), Quantity::kGradient);
  }
  for (const auto& [name, input] : inputs) {
    const std::string key = absl::StrCat(prefix, "in.", name);
    if (fixture.Has(key)) report->Compare(fixture, key, input.grad(), Quantity::kGradient);
  }
}

void RunCases(const Fixture& fixture, const std::string& prefix, torch::ScalarType dtype,
              Quantity quantity, Report* report) {
  for (const Case& part : ModuleCases(fixture, prefix)) {
    const Subject subject = MakeSubject(fixture, dtype);
    const Tensors inputs = Inputs(fixture, dtype);
    const Tensors outputs = subject.forward(part, inputs);
    for (const auto& [name, value] : outputs) {
      const std::string key = prefix + part.Key(name);
      if (fixture.Has(key)) report->Compare(fixture, key, value, quantity);
    }
    if (dtype == torch::kFloat32) {
      CompareGradients(fixture, part, subject, inputs, outputs, report);
    }
  }
}

}  // namespace

void RunModule(const Fixture& fixture, const Places&, Report* report) {
  RunCases(fixture, "out.", torch::kFloat32, Quantity::kForward, report);
  RunCases(fixture, "out64.", torch::kFloat64, Quantity::kForward64, report);
}

}  // namespace slotmatch::parity
