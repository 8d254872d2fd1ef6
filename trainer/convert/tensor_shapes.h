#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/weights/key_mapping.h"

namespace slotmatch {

using Shape = std::vector<int64_t>;

// The tensors below a prefix, by name and shape. Borrows the map. Failures are kDataLoss and name
// the key.
class TensorShapes {
 public:
  TensorShapes(const TensorMap& tensors, std::string prefix)
      : tensors_(tensors), prefix_(std::move(prefix)) {}

  bool Has(const std::string& key) const { return tensors_.count(prefix_ + key) > 0; }
  bool HasAny(const std::string& stem) const;
  // Fails unless the key is there with this many axes, none of them 0.
  absl::StatusOr<Shape> Get(const std::string& key, size_t rank) const;
  // Fails unless the key is there with this shape. What a model's memory depends on is looked at
  // so, that no file makes a model larger than itself.
  absl::Status Require(const std::string& key, const Shape& shape) const;
  // How many of STEM0., STEM1., ... there are. Fails when one between them is missing, or has not
  // `key` of this shape.
  absl::StatusOr<int64_t> Count(const std::string& stem, const std::string& key,
                                const Shape& shape) const;

 private:
  const TensorMap& tensors_;
  const std::string prefix_;
};

}  // namespace slotmatch
