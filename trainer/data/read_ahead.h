#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "core/base/bounded_queue.h"
#include "trainer/data/dataset.h"

namespace slotmatch {

// 0 .. count - 1, in this order and in one that depends on the seed alone.
std::vector<int64_t> FileOrder(int64_t count);
std::vector<int64_t> ShuffledOrder(int64_t count, uint64_t seed);

// Reads the videos of a dataset in a given order, decoding ahead in worker threads. What comes out
// does not depend on their number: a video's frames in order, then its end, then the next video.
// At most `workers` videos are open at a time, each with kFramesAhead decoded frames at most; full,
// a worker waits. Next() belongs to one thread.
class ReadAhead {
 public:
  static constexpr size_t kFramesAhead = 8;

  struct Item {
    int64_t video = 0;
    std::optional<DatasetFrame> frame;  // none: the video has ended
    // At the end: why it ended. A video that failed has been warned of, by name, and counted; what
    // it gave before is to be dropped.
    absl::Status status;
  };

  // `dataset` is borrowed for the reader's life; `order` holds its videos' indices.
  ReadAhead(const VideoDataset& dataset, std::vector<int64_t> order, bool with_labels, int workers);
  ~ReadAhead();  // stops the workers, wherever they are
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The next item; nullopt after the last video's end.
  std::optional<Item> Next();
  int64_t skipped_videos() const { return skipped_; }

 private:
  using Queue = BoundedQueue<Item>;

  void Work();
  std::shared_ptr<Queue> QueueOf(size_t position) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const VideoDataset& dataset_;
  const std::vector<int64_t> order_;
  const bool with_labels_;
  size_t reading_ = 0;  // position of the video that Next() is in
  std::shared_ptr<Queue> current_;
  int64_t skipped_ = 0;

  absl::Mutex mutex_;
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;  // position of the first video that no worker has
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  // Queues by position: made by the worker or by Next(), whichever comes first.
  std::vector<std::shared_ptr<Queue>> queues_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> workers_;  // last: they use the members above
};

}  // namespace slotmatch
