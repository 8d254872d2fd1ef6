#include "tests/parity/fixture.h"

#include <torch/torch.h>

#include <filesystem>
#include <regex>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/model/model_io.h"

namespace slotmatch::parity {

Fixture::Fixture(const std::string& root, const std::string& name) : root_(root), name_(name) {
  auto file = SafetensorsFile::Open(path());
  if (!file.ok()) throw FixtureError(absl::StrCat(name_, ": ", file.status().message()));
  file_ = *std::move(file);
}

std::string Fixture::path() const { return (std::filesystem::path(root_) / name_).string(); }

std::string Fixture::directory() const {
  return std::filesystem::path(path()).parent_path().string();
}

void Fixture::Fail(const std::string& problem) const {
  throw FixtureError(absl::StrCat(name_, ": ", problem));
}

bool Fixture::Has(const std::string& key) const { return file_->Find(key) != nullptr; }

torch::Tensor Fixture::Tensor(const std::string& key) const {
  const TensorView* view = file_->Find(key);
  if (view == nullptr) Fail(absl::StrCat("tensor '", key, "' is missing"));
  return ToTorch(*view);
}

torch::Tensor Fixture::Tensor(const std::string& key, torch::ScalarType dtype) const {
  return Tensor(key).to(dtype);
}

std::vector<std::string> Fixture::Keys(const std::string& prefix) const {
  std::vector<std::string> keys;
  for (const auto& [key, view] : file_->tensors()) {
    if (absl::StartsWith(key, prefix)) keys.push_back(key);
  }
  return keys;
}

Tensors Fixture::Under(const std::string& prefix, torch::ScalarType dtype) const {
  Tensors tensors;
  for (const std::string& key : Keys(prefix)) {
    tensors[key.substr(prefix.size())] = Tensor(key, dtype);
  }
  if (tensors.empty()) Fail(absl::StrCat("no tensor begins with '", prefix, "'"));
  return tensors;
}

bool Fixture::HasSetting(const std::string& key) const { return file_->metadata().count(key) > 0; }

std::string Fixture::Text(const std::string& key) const {
  const auto found = file_->metadata().find(key);
  if (found == file_->metadata().end()) Fail(absl::StrCat("setting '", key, "' is missing"));
  return found->second;
}

nlohmann::json Fixture::Setting(const std::string& key) const {
  nlohmann::json value = nlohmann::json::parse(Text(key), nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) Fail(absl::StrCat("setting '", key, "' is not JSON: ", Text(key)));
  return value;
}

double Fixture::LargestGradient() const {
  double largest = 0;
  for (const auto& [key, view] : file_->tensors()) {
    if (!absl::StartsWith(key, "grad.") && !absl::StrContains(key, ".grad.")) continue;
    if (view.num_elements() == 0) continue;
    largest = std::max(largest, ToTorch(view).abs().max().item<double>());
  }
  return largest;
}

torch::Tensor Fixture::Expected(const std::string& key) const {
  torch::Tensor value = Tensor(key);
  asked_.insert(key);
  return value;
}

std::vector<std::string> Fixture::Forgotten() const {
  std::vector<std::string> forgotten;
  for (const auto& [key, view] : file_->tensors()) {
    if (IsExpected(key) && asked_.count(key) == 0) forgotten.push_back(key);
  }
  return forgotten;
}

bool IsExpected(const std::string& key) {
  static const std::regex kExpected("(param|in)\\..*|(.*\\.)?(out|out64|grad)\\..*");
  std::smatch match;
  return std::regex_match(key, match, kExpected) && !match[1].matched;
}

}  // namespace slotmatch::parity
