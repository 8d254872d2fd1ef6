#include "core/engine/session_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <functional>
#include <limits>
#include <random>

#include "core/engine/session_tracks.h"
#include "slotmatch/state/session_snapshot.pb.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using absl::StatusCode;

ModelInfo Model(const std::string& name, char digest, int num_slots = 3, int slot_dim = 4) {
  ModelInfo info;
  info.name = name;
  info.version = "1";
  info.digest = std::string(64, digest);
  info.num_slots = num_slots;
  info.slot_dim = slot_dim;
  info.grid_height = 2;
  info.grid_width = 2;
  return info;
}

// Of three slots on a grid of 2 x 2.
std::string Tracks() {
  TrackState tracks;
  tracks.set_next_id(9);
  tracks.set_owners(std::string("\0\1\2\xff", 4));
  for (const uint64_t id : {8, 0, 0}) tracks.add_shown(id);
  tracks.add_tracks()->set_id(8);
  tracks.mutable_tracks(0)->set_slot(0);
  tracks.mutable_tracks(0)->set_direction("dire");
  return SerializeTrackState(tracks);
}

SessionPoint Point() {
  SessionPoint point;
  for (int i = 0; i < 12; ++i) point.state.slots.push_back(0.1f * static_cast<float>(i) - 0.5f);
  point.state.step = 9;
  point.track = Tracks();
  point.last_frame_id = 44;
  point.state_frame_id = 42;
  return point;
}

std::string Sha256(const std::string& bytes) {
  std::string digest(32, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

class SessionState : public testing::Test {
 protected:
  absl::StatusOr<StateSealer> WithKey(const std::string& key) {
    return StateSealer::FromKeyFile(folder_.Write("key", key));
  }
  // A state whose snapshot was changed by somebody who knows how to make its digest.
  SealedState Changed(const std::function<void(state::SessionSnapshot*)>& change) {
    SealedState sealed = plain_.Seal(models_[0], Point()).value();
    state::SessionSnapshot snapshot;
    EXPECT_TRUE(snapshot.ParseFromString(sealed.payload));
    change(&snapshot);
    sealed.payload = snapshot.SerializeAsString();
    sealed.digest = Sha256(sealed.payload);
    return sealed;
  }

  TempDir folder_;
  const StateSealer plain_;
  const std::vector<ModelInfo> models_ = {Model("a", 'a'), Model("b", 'b')};
};

TEST_F(SessionState, ComesBackAsItWas) {
  for (const StateSealer& sealer : {plain_, WithKey(std::string(32, 'k')).value()}) {
    const SealedState sealed = sealer.Seal(models_[1], Point()).value();
    EXPECT_EQ(sealed.last_frame_id, 44u);
    EXPECT_EQ(sealed.is_signed, sealer.signs());
    EXPECT_EQ(sealed.digest.size(), 32u);
    const auto opened = sealer.Open(sealed, models_, std::nullopt);
    ASSERT_THAT(opened, IsOk());
    EXPECT_EQ(opened->model, 1u);
    EXPECT_EQ(opened->point.state.slots, Point().state.slots);
    EXPECT_EQ(opened->point.state.step, 9);
    EXPECT_EQ(opened->point.track, Point().track);
    EXPECT_EQ(opened->point.last_frame_id, 44u);
    EXPECT_EQ(opened->point.state_frame_id, 42u);
    EXPECT_THAT(sealer.Open(sealed, models_, 1), IsOk());
  }
}

TEST_F(SessionState, BeforeTheFirstFrameIsAStateToo) {
  const auto opened = plain_.Open(plain_.Seal(models_[0], {}).value(), models_, 0);
  ASSERT_THAT(opened, IsOk());
  EXPECT_TRUE(opened->point.state.first_frame());
  EXPECT_FALSE(opened->point.last_frame_id.has_value());
  EXPECT_FALSE(opened->point.state_frame_id.has_value());
}

TEST_F(SessionState, FirstFrameMayHaveFailed) {
  SessionPoint point;
  point.last_frame_id = 0;
  const auto opened = plain_.Open(plain_.Seal(models_[0], point).value(), models_, 0);
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ(opened->point.last_frame_id, 0u);
  EXPECT_FALSE(opened->point.state_frame_id.has_value());
}

TEST_F(SessionState, OfAnotherModelIsRefusedByName) {
  const SealedState sealed = plain_.Seal(models_[0], Point()).value();
  EXPECT_THAT(plain_.Open(sealed, models_, 1),
              FailsWith(StatusCode::kFailedPrecondition, "the state is of model a/1"));
  EXPECT_THAT(plain_.Open(sealed, {models_[1]}, std::nullopt),
              FailsWith(StatusCode::kFailedPrecondition, "not loaded here"));
}

TEST_F(SessionState, DamagedIsRefused) {
  const SealedState good = plain_.Seal(models_[0], Point()).value();
  for (size_t i = 0; i < good.payload.size(); ++i) {
    SealedState bad = good;
    bad.payload[i] = static_cast<char>(bad.payload[i] ^ 1);
    EXPECT_THAT(plain_.Open(bad, models_, 0), FailsWith(StatusCode::kDataLoss, "digest")) << i;
  }
  SealedState bad = good;
  bad.digest.pop_back();
  EXPECT_THAT(plain_.Open(bad, models_, 0), FailsWith(StatusCode::kDataLoss, "digest"));
  EXPECT_THAT(plain_.Open({}, models_, 0), FailsWith(StatusCode::kDataLoss, "digest"));
  bad.payload = "no snapshot";
  bad.digest = Sha256(bad.payload);
  EXPECT_THAT(plain_.Open(bad, models_, 0), FailsWith(StatusCode::kDataLoss, "parsed"));
  bad.payload = std::string(kMaxSealedBytes, 'x');
  EXPECT_THAT(plain_.Open(bad, models_, 0), FailsWith(StatusCode::kDataLoss, "none has more"));
}

TEST_F(SessionState, ContradictionsAreRefused) {
  const std::pair<const char*, std::function<void(state::SessionSnapshot*)>> rows[] = {
      {"slots of", [](auto* s) { s->mutable_slots()->pop_back(); }},
      {"slots of", [](auto* s) { s->set_num_slots(4); }},
      {"slots of", [](auto* s) { s->set_slot_dim(0); }},
      {"track state: owners has 1 values",
       [](auto* s) {
         TrackState tracks;
         EXPECT_TRUE(tracks.ParseFromString(s->track()));
         tracks.set_owners("\1");
         s->set_track(tracks.SerializeAsString());
       }},
      {"contradict", [](auto* s) { s->clear_slots(); }},
      {"contradict", [](auto* s) { s->set_step(0); }},
      {"contradict", [](auto* s) { s->set_step(-1); }},
      {"contradict", [](auto* s) { s->clear_state_frame_id(); }},
      {"contradict", [](auto* s) { s->clear_last_frame_id(); }},
      {"contradict", [](auto* s) { s->set_state_frame_id(45); }},
      {"not finite", [](auto* s) { s->set_slots(std::string(48, '\xff')); }},
  };
  for (const auto& [text, change] : rows) {
    EXPECT_THAT(plain_.Open(Changed(change), models_, 0), FailsWith(StatusCode::kDataLoss, text));
  }
}

TEST_F(SessionState, OfANewerSchemaIsRefused) {
  const SealedState newer = Changed([](auto* s) { s->set_schema_version(3); });
  EXPECT_THAT(plain_.Open(newer, models_, 0),
              FailsWith(StatusCode::kFailedPrecondition, "schema version 3"));
}

TEST_F(SessionState, SignaturesAreChecked) {
  const StateSealer sealer = WithKey(std::string(32, 'k')).value();
  const StateSealer other = WithKey(std::string(32, 'o')).value();
  const SealedState signed_state = sealer.Seal(models_[0], Point()).value();
  const SealedState unsigned_state = plain_.Seal(models_[0], Point()).value();
  EXPECT_THAT(other.Open(signed_state, models_, 0),
              FailsWith(StatusCode::kPermissionDenied, "another key"));
  EXPECT_THAT(sealer.Open(unsigned_state, models_, 0),
              FailsWith(StatusCode::kPermissionDenied, "not signed"));
  EXPECT_THAT(plain_.Open(signed_state, models_, 0),
              FailsWith(StatusCode::kPermissionDenied, "no key"));
  SealedState forged = unsigned_state;
  forged.is_signed = true;
  EXPECT_THAT(sealer.Open(forged, models_, 0),
              FailsWith(StatusCode::kPermissionDenied, "another key"));
}

TEST_F(SessionState, KeyFilesAreChecked) {
  EXPECT_THAT(StateSealer::FromKeyFile(folder_.File("nothing")),
              FailsWith(StatusCode::kNotFound, "security.state_key_file"));
  EXPECT_THAT(WithKey(std::string(31, 'k')),
              FailsWith(StatusCode::kFailedPrecondition, "holds 31 bytes"));
  EXPECT_FALSE(StateSealer::FromKeyFile("")->signs());
  EXPECT_TRUE(WithKey(std::string(32, 'k'))->signs());
}

// A session of `model` in the middle of a video, with as many tracks as there can be.
SessionPoint FullPoint(const ModelInfo& model) {
  config::TrackConfig config;
  config.set_birth_cost(0);  // all tracks are new in every frame
  config.set_part_share(2);  // and none is a part of another
  SessionTracks tracks(MakeTracker(config, model).value(), "");
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 2);
  SessionPoint point = Point();
  const int tokens = model.grid_height * model.grid_width;
  for (int frame = 0; frame < 3; ++frame) {
    StepOutput step;
    for (int i = 0; i < model.num_slots * model.slot_dim; ++i) step.slots.push_back(normal(random));
    for (int k = 0; k < model.num_slots; ++k) {
      for (int n = 0; n < tokens; ++n) {
        step.masks.push_back(n * model.num_slots / tokens == k ? 0.8f : 0.1f);
      }
    }
    tracks.Step(step, model);
    point.state.slots = step.slots;
  }
  point.track = tracks.bytes();
  return point;
}

ModelInfo ModelOfShape(int num_slots, int slot_dim, int grid) {
  ModelInfo model = Model("student", 'c', num_slots, slot_dim);
  model.grid_width = model.grid_height = grid;
  return model;
}

TEST_F(SessionState, EveryPlausibleShapeFits) {
  struct Row {
    int num_slots, slot_dim, grid;
    size_t most_bytes;
    uint32_t version;
  };
  const Row rows[] = {
      {11, 64, 16, 5120, 1},       // shipped
      {15, 128, 37, 13 << 10, 1},  // the largest of the published models
      {7, 256, 37, 14 << 10, 1},
      {24, 128, 16, kMaxSealedBytes, 2},
      {24, 128, 37, kMaxSealedBytes, 2},
  };
  for (const Row& row : rows) {
    const ModelInfo model = ModelOfShape(row.num_slots, row.slot_dim, row.grid);
    const SessionPoint point = FullPoint(model);
    const auto sealed = plain_.Seal(model, point);
    ASSERT_THAT(sealed, IsOk());
    EXPECT_LE(sealed->payload.size() + sealed->digest.size(), row.most_bytes) << row.num_slots;
    state::SessionSnapshot snapshot;
    ASSERT_TRUE(snapshot.ParseFromString(sealed->payload));
    EXPECT_EQ(snapshot.schema_version(), row.version) << row.num_slots;
    const auto opened = plain_.Open(*sealed, {model}, 0);
    ASSERT_THAT(opened, IsOk());
    EXPECT_EQ(opened->point.state.slots, point.state.slots);
    EXPECT_EQ(opened->point.track, point.track);
  }
}

TEST_F(SessionState, UpToTheBoundIsSealedAndBeyondItRefused) {
  std::mt19937 random(5);
  std::string noise;  // does not compress
  while (noise.size() < kMaxSealedBytes) noise.push_back(static_cast<char>(random()));
  SessionPoint point = Point();
  const auto size = [&](size_t bytes) {
    point.track = noise.substr(0, bytes);
    const auto sealed = plain_.Seal(models_[0], point);
    return sealed.ok() ? sealed->payload.size() + sealed->digest.size() : 0;
  };
  size_t fits = kMaxSealedBytes - 1024, fails = kMaxSealedBytes;
  ASSERT_GT(size(fits), fits);
  ASSERT_EQ(size(fails), 0u);
  while (fails - fits > 1) {
    const size_t middle = (fits + fails) / 2;
    (size(middle) > 0 ? fits : fails) = middle;
  }
  EXPECT_GT(size(fits), kMaxSealedBytes - 16);
  point.track = noise.substr(0, fails);
  EXPECT_THAT(plain_.Seal(models_[0], point),
              FailsWith(StatusCode::kResourceExhausted, "a session of model a takes"));
}

TEST_F(SessionState, DamagedPackedStatesAreRefused) {
  const ModelInfo model = ModelOfShape(24, 128, 16);
  const SealedState good = plain_.Seal(model, FullPoint(model)).value();
  const std::pair<const char*, std::function<void(state::SessionSnapshot*)>> rows[] = {
      {"contradict each other", [](auto* s) { s->mutable_slots_low()->pop_back(); }},
      {"contradict each other", [](auto* s) { s->set_plain_size(2u << 20); }},
      {"contradict each other", [](auto* s) { s->set_plain_size(1); }},
      {"contradict each other", [](auto* s) { s->set_slots("both"); }},
      {"cannot be unpacked", [](auto* s) { s->set_plain_size(s->plain_size() - 1); }},
      {"cannot be unpacked", [](auto* s) { s->set_plain_size(s->plain_size() + 1); }},
      {"cannot be unpacked", [](auto* s) { s->mutable_packed()->resize(100); }},
      {"cannot be unpacked", [](auto* s) { s->clear_packed(); }},
      {"slots of", [](auto* s) { s->mutable_slots_low()->resize(300); }},
      {"contradict each other", [](auto* s) { s->set_schema_version(1); }},
  };
  for (const auto& [text, change] : rows) {
    state::SessionSnapshot snapshot;
    ASSERT_TRUE(snapshot.ParseFromString(good.payload));
    change(&snapshot);
    SealedState bad = good;
    bad.payload = snapshot.SerializeAsString();
    bad.digest = Sha256(bad.payload);
    EXPECT_FALSE(plain_.Open(bad, {model}, 0).ok()) << text;
    EXPECT_THAT(plain_.Open(bad, {model}, 0), FailsWith(StatusCode::kDataLoss, text));
  }
}

}  // namespace
}  // namespace slotmatch
