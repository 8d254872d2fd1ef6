#pragma once

#include <torch/types.h>

#include <memory>
#include <stdexcept>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "trainer/dist/place.h"

namespace slotmatch {

// Another process has gone, or was silent for too long.
class ProcessLost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The processes that train one model together, over c10d with Gloo (docs/adr/0020). Every call but
// the getters is made by all of them, in the same order, with tensors of the same shapes; all get
// the same bits. Throws ProcessLost. For one thread.
class ProcessGroup {
 public:
  ProcessGroup();  // alone: every call gives back what it got
  ~ProcessGroup();
  // Waits until all are there. kUnavailable says who is missing where.
  static absl::StatusOr<std::unique_ptr<ProcessGroup>> Join(const ProcessPlace& place,
                                                            absl::Duration timeout);

  int rank() const { return place_.rank; }
  int size() const { return place_.size; }
  bool first() const { return place_.first(); }

  // Sum over the processes, in place.
  void Sum(const torch::Tensor& tensor);
  // Mean over the processes of float32 tensors, in place, as one message.
  void Mean(const std::vector<torch::Tensor>& tensors);
  // What process 0 holds, in place.
  void Broadcast(const std::vector<torch::Tensor>& tensors);
  // [B, ...] of every process, by rank: [size * B, ...]. Gradients flow back to each process's own
  // part, summed over the processes.
  torch::Tensor Gather(const torch::Tensor& own);

 private:
  struct Backend;
  template <typename Start>
  void Await(Start start);

  ProcessPlace place_;
  std::unique_ptr<Backend> backend_;  // null: alone
};

}  // namespace slotmatch
