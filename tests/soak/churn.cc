#include "tests/soak/churn.h"

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr int kInFlight = 4;
constexpr int kDamagedEvery = 16, kCancelledEvery = 3;  // sessions
constexpr absl::Duration kLastAnswers = absl::Seconds(60);

}  // namespace

Churn::Churn(const std::vector<std::shared_ptr<grpc::Channel>>& channels,
             const std::vector<std::string>& pictures, int at_once, int frames_each)
    : channels_(channels), pictures_(pictures), frames_each_(frames_each), places_(at_once) {}

Churn::~Churn() {
  for (Place& place : places_) place.session.reset();  // before the recorder it reports to
}

absl::Status Churn::Open(Place* place) {
  LoadSession::Options options;
  options.pictures = opened_ % kDamagedEvery == kDamagedEvery - 1 ? &damaged_ : &pictures_;
  options.first_picture = static_cast<size_t>(opened_);
  options.in_flight = kInFlight;
  place->answered = 0;
  place->recorder = std::make_unique<LoadRecorder>();
  place->session = std::make_unique<LoadSession>(channels_[opened_ % channels_.size()], options,
                                                 place->recorder.get());
  ++opened_;
  return place->session->WaitUntilOpen();
}

absl::Status Churn::Close(Place* place) {
  const bool cancel = opened_ % kCancelledEvery == 0;
  absl::Status status;
  if (!cancel) {
    place->session->Stop();
    status = place->session->Wait(kLastAnswers);
  }
  place->session.reset();
  return Annotate(status, absl::StrCat("session ", opened_));
}

absl::Status Churn::Turn() {
  for (Place& place : places_) {
    if (place.session != nullptr) {
      const LoadWindow more = place.recorder->Take();
      place.answered += more.results + more.errors;
      answered_ += more.results + more.errors;
      if (place.session->ended()) {
        return Annotate(place.session->Wait(absl::ZeroDuration()), "a session ended by itself");
      }
      if (place.answered < frames_each_) continue;
      SM_RETURN_IF_ERROR(Close(&place));
    }
    SM_RETURN_IF_ERROR(Open(&place));
  }
  return absl::OkStatus();
}

}  // namespace slotmatch
