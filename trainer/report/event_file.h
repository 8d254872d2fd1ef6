#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slotmatch/data/event.pb.h"

namespace slotmatch {

// A TensorBoard event file: TFRecords of tensorflow.Event. One writer; not thread-safe. Every call
// reaches the file before it returns, so that a running training can be watched and a killed one
// loses nothing.
class EventFile {
 public:
  // Creates FOLDER/events.out.tfevents.<seconds>.<host>.<process>.<n>. With `first_step` > 0, a
  // resumed run, TensorBoard drops what older files of the folder hold at later steps. kAborted:
  // it cannot be written.
  static absl::StatusOr<std::unique_ptr<EventFile>> Create(const std::string& folder,
                                                           int64_t first_step);

  // One value per tag. kAborted: the disk is full or gone.
  absl::Status AddScalars(int64_t step, const std::vector<std::pair<std::string, double>>& values);
  // kInvalidArgument: not a PNG or JPEG.
  absl::Status AddImage(int64_t step, const std::string& tag, const std::string& png);

  const std::string& path() const { return path_; }

 private:
  EventFile() = default;
  absl::Status Write(int64_t step, data::Event event);

  std::string path_;
  std::ofstream file_;
};

}  // namespace slotmatch
