#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "client/bench/load_session.h"

namespace slotmatch {

// Sessions that come and go: each sends frames for a while, then ends well or is cancelled in the
// middle; some send pictures that are none. Not thread-safe.
class Churn {
 public:
  // `channels` and `pictures` outlive this.
  Churn(const std::vector<std::shared_ptr<grpc::Channel>>& channels,
        const std::vector<std::string>& pictures, int at_once, int frames_each);
  ~Churn();

  // Replaces the sessions that have had their frames. kInternal when one ended by itself.
  absl::Status Turn();
  int64_t answered() const { return answered_; }  // results and frame errors
  int64_t sessions() const { return opened_; }

 private:
  struct Place {
    std::unique_ptr<LoadRecorder> recorder;
    std::unique_ptr<LoadSession> session;
    int64_t answered = 0;
  };
  absl::Status Open(Place* place);
  absl::Status Close(Place* place);

  const std::vector<std::shared_ptr<grpc::Channel>>& channels_;
  const std::vector<std::string>& pictures_;
  const std::vector<std::string> damaged_ = {"this is no picture"};
  const int frames_each_;
  std::vector<Place> places_;
  int64_t opened_ = 0, answered_ = 0;
};

}  // namespace slotmatch
