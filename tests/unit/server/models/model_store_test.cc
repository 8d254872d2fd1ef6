#include "server/models/model_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "tests/support/fake_segmenter.h"
#include "tests/support/server_fixture.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using testing::ElementsAre;

class ModelStoreTest : public testing::Test {
 protected:
  ModelStoreTest() {
    InitLog("error", false);
    ModelStore::Options options;
    options.load = [this](const config::ServedModel& served) { return Load(served); };
    options.scheduler = &scheduler_;
    options.repository = root_.path();
    store_ = std::make_unique<ModelStore>(std::move(options));
  }

  absl::StatusOr<std::shared_ptr<Segmenter>> Load(const config::ServedModel& served) {
    auto model = FakeLoader()(served);
    if (model.ok() && absl::EndsWith(served.path(), "/13")) {
      static_cast<FakeSegmenter*>(model->get())->FailNext(absl::InternalError("cold"));
    }
    return model;
  }
  std::string Make(const std::string& path) {
    const std::string folder = root_.path() + "/" + path;
    EXPECT_THAT(WriteFileAtomically(folder + "/manifest.textproto", ""), IsOk());
    return folder;
  }
  void Add(const std::string& path, const std::string& name = "") {
    config::ServedModel served;
    served.set_path(Make(path));
    if (!name.empty()) served.set_name(name);
    ASSERT_THAT(store_->Add(served), IsOk());
  }
  // "name/version" of those that new sessions get.
  std::vector<std::string> Ready() const {
    std::vector<std::string> names;
    for (const ModelRef& model : store_->Ready()) {
      names.push_back(model->info().name + "/" + model->info().version);
    }
    return names;
  }

  TempDir root_;
  BatchScheduler scheduler_{SchedulerOptions{}};
  std::unique_ptr<ModelStore> store_;
};

TEST_F(ModelStoreTest, FindsTheDefaultTheCurrentAndTheNamedVersion) {
  Add("a/1");
  Add("b/1");
  Make("b/2");
  ASSERT_THAT(store_->Load("b", "2"), IsOk());
  EXPECT_THAT(Ready(), ElementsAre("a/1", "b/2", "b/1"));
  EXPECT_EQ((*store_->Find(""))->info().name, "a");
  EXPECT_EQ((*store_->Find("b"))->info().version, "2");
  EXPECT_EQ((*store_->Find("b", "1"))->info().version, "1");
  EXPECT_THAT(store_->Find("b", "3"),
              FailsWith(absl::StatusCode::kNotFound, "this server has a 1, b 2, b 1"));
}

TEST_F(ModelStoreTest, OldVersionLivesAsLongAsSomebodyHoldsIt) {
  Add("a/1");
  Make("a/2");
  ModelRef held = *store_->Find("a");
  const std::weak_ptr<Segmenter> old = held->segmenter;
  const auto fresh = store_->Reload("a", "");
  ASSERT_THAT(fresh, IsOk());
  EXPECT_EQ((*fresh)->info().version, "2");
  EXPECT_THAT(Ready(), ElementsAre("a/2"));
  EXPECT_EQ(store_->Sweep(), 0);
  const auto list = store_->List();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[1].state, ModelState::kRetiring);
  EXPECT_EQ(list[1].version, "1");
  EXPECT_FALSE(old.expired());
  held = nullptr;
  EXPECT_FALSE(old.expired());  // the list holds it
}

TEST_F(ModelStoreTest, RetiredVersionThatNobodyHoldsIsFreedAtOnce) {
  Add("a/1");
  Make("a/2");
  const std::weak_ptr<Segmenter> old = (*store_->Find("a"))->segmenter;
  ASSERT_THAT(store_->Reload("a", ""), IsOk());
  EXPECT_TRUE(old.expired());
  EXPECT_EQ(store_->List().size(), 1u);
  EXPECT_EQ(store_->Sweep(), 1);
}

TEST_F(ModelStoreTest, LoadThatFailsChangesNothingAndSaysWhy) {
  Add("a/1");
  Make("a/broken");
  Make("a/13");
  EXPECT_THAT(store_->Reload("a", "broken"),
              FailsWith(absl::StatusCode::kDataLoss, "broken is damaged"));
  EXPECT_THAT(store_->Load("a", "broken"),
              FailsWith(absl::StatusCode::kDataLoss, "broken is damaged"));
  EXPECT_THAT(store_->Load("a", "13"),
              FailsWith(absl::StatusCode::kInternal, "warm-up of a 13: cold"));
  EXPECT_THAT(store_->Load("a", "7"), FailsWith(absl::StatusCode::kNotFound, "a/7"));
  EXPECT_THAT(store_->Load("a", "1"), FailsWith(absl::StatusCode::kAlreadyExists, "a version 1"));
  EXPECT_THAT(store_->Reload("b", ""), FailsWith(absl::StatusCode::kNotFound, "'b'"));
  EXPECT_THAT(Ready(), ElementsAre("a/1"));
  EXPECT_EQ(store_->List().size(), 1u);
}

TEST_F(ModelStoreTest, SameWeightsAgainChangeNothing) {
  Add("a/1");
  const ModelRef before = *store_->Find("a");
  const auto after = store_->Reload("a", "");
  ASSERT_THAT(after, IsOk());
  EXPECT_EQ(*after, before);
  EXPECT_EQ(store_->List().size(), 1u);
}

TEST_F(ModelStoreTest, ServedNameStaysOverAReload) {
  Add("a/1", "public");
  Make("a/2");
  ASSERT_THAT(store_->Reload("public", ""), IsOk());
  EXPECT_THAT(Ready(), ElementsAre("public/2"));
}

TEST_F(ModelStoreTest, UnloadLeavesSomethingToServe) {
  Add("a/1");
  Make("a/2");
  ASSERT_THAT(store_->Load("a", ""), IsOk());
  EXPECT_THAT(store_->Unload("a", ""), FailsWith(absl::StatusCode::kFailedPrecondition, "nothing"));
  EXPECT_THAT(store_->Unload("a", "3"), FailsWith(absl::StatusCode::kNotFound, "version '3'"));
  ASSERT_THAT(store_->Unload("a", "2"), IsOk());
  EXPECT_THAT(Ready(), ElementsAre("a/1"));
}

TEST_F(ModelStoreTest, ListSaysWhatIsBeingLoaded) {
  Add("a/1");
  Make("a/2");
  std::vector<ModelEntry> during;
  ModelStore::Options options;
  options.load = [&](const config::ServedModel& served) {
    if (store_ != nullptr) during = store_->List();
    return FakeLoader()(served);
  };
  options.scheduler = &scheduler_;
  options.repository = root_.path();
  store_ = std::make_unique<ModelStore>(std::move(options));
  Add("a/1");
  ASSERT_THAT(store_->Load("a", "2"), IsOk());
  ASSERT_EQ(during.size(), 2u);
  EXPECT_EQ(during[1].state, ModelState::kLoading);
  EXPECT_EQ(during[1].version, "2");
}

}  // namespace
}  // namespace slotmatch
