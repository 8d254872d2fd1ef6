#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/channel.h"
#include "client/segment_video.h"

namespace slotmatch {

// A worker's part of a list: entries whose number leaves `index` when divided by `count`.
struct Shard {
  int64_t index = 0;
  int64_t count = 1;
};

// "i/n" with 0 <= i < n.
absl::StatusOr<Shard> ParseShard(const std::string& text);

// A line of a list of videos.
struct ListedVideo {
  int64_t number = 0;  // of the line among all videos of the list, from 0
  std::string source;  // see OpenFrameSource
  std::string folder;  // name of its folder of results: number and file name, unique in the list
};

// One source a line; empty lines and lines that begin with # are left out.
std::vector<ListedVideo> ParseVideoList(const std::string& text);

struct ListOptions {
  std::string list;  // file
  Shard shard;
  SegmentOptions segment;  // of every video; `out` is the folder of the results' folders
  // Called after every video of the shard that was segmented now, not for those done before.
  std::function<void(const ListedVideo&, const SegmentReport&)> on_video;
};

// Segments the shard's videos one after the other. A video is done once its folder holds the
// summary.json of a stream that ended well; done ones are skipped, so that a run that was killed
// goes on where it was. Videos that cannot be read or whose frames fail do not end the run: they
// are listed in failed-I-of-N.txt (source, tab, reason) and tried again by the next run.
//
// DATA_LOSS when some failed. Ends early when no video could go on: a server that is lost or
// refuses the caller, a result that cannot be written, `segment.stop`. While a server is full or
// away, opening is tried for `segment.resume_for_s`. kAborted when another process works on this
// shard.
absl::Status SegmentList(const Connector& connect, const ListOptions& options);

}  // namespace slotmatch
