#include "core/engine/batch_scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "tests/support/fake_segmenter.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

using absl::StatusCode;

constexpr size_t kPixels = 3 * 8 * 8;

// What came back for one frame.
struct Answer {
  absl::StatusOr<StepOutput> output = absl::UnknownError("no answer");
  StepTiming timing;
  int calls = 0;
};

class BatchSchedulerTest : public testing::Test {
 protected:
  // Long enough for every frame a test submits to find its batch.
  static SchedulerOptions Options(int max_batch_size = 4,
                                  absl::Duration delay = absl::Milliseconds(50)) {
    SchedulerOptions options;
    options.policy.normal = {max_batch_size, delay};
    return options;
  }
  void Start(SchedulerOptions options) {
    options.on_batch = [this](const BatchReport& report) {
      absl::MutexLock lock(&mutex_);
      reports_.push_back(report);
    };
    scheduler_ = std::make_unique<BatchScheduler>(std::move(options));
  }

  FrameJob Job(float pixel, const StreamState& state, Answer* answer) {
    FrameJob job;
    job.model = Borrowed(&fake_);
    job.pixels.assign(kPixels, pixel);
    job.state = state;
    job.done = [this, answer](absl::StatusOr<StepOutput> output, const StepTiming& timing) {
      absl::MutexLock lock(&mutex_);
      answer->output = std::move(output);
      answer->timing = timing;
      ++answer->calls;
    };
    return job;
  }
  // A frame that occupies the executor until fake_.Release().
  void Occupy(Answer* answer) {
    fake_.Hold();
    ASSERT_THAT(scheduler_->Submit(Job(0, {}, answer)), IsOk());
    ASSERT_TRUE(fake_.WaitUntilInside());
    fake_.Forget();
  }
  StreamState LaterState(float pixel) {
    const std::vector<float> pixels(kPixels, pixel);
    const StreamState first;
    return fake_.StepOne({pixels, &first}).next_state;
  }

  FakeSegmenter fake_, other_{"other"};
  absl::Mutex mutex_;
  std::vector<BatchReport> reports_;
  std::unique_ptr<BatchScheduler> scheduler_;  // last: its threads use the rest
};

TEST_F(BatchSchedulerTest, EveryFrameOfABatchGetsItsOwnResult) {
  Start(Options());
  Answer warm, answers[4];
  Occupy(&warm);
  for (int i = 0; i < 4; ++i) {
    ASSERT_THAT(scheduler_->Submit(Job(0.1f * i, LaterState(0.2f * i), &answers[i])), IsOk());
  }
  fake_.Release();
  scheduler_->Stop();
  ASSERT_EQ(fake_.batches().size(), 1u);
  EXPECT_EQ(fake_.batches()[0].size, 4);
  for (int i = 0; i < 4; ++i) {
    const std::vector<float> pixels(kPixels, 0.1f * i);
    const StreamState state = LaterState(0.2f * i);
    ASSERT_THAT(answers[i].output, IsOk());
    EXPECT_EQ(answers[i].calls, 1);
    EXPECT_EQ(answers[i].output->slots, fake_.StepOne({pixels, &state}).slots) << i;
    EXPECT_EQ(answers[i].output->next_state.step, 2);
    EXPECT_EQ(answers[i].timing.batch_size, 4);
    EXPECT_GE(answers[i].timing.queue, absl::ZeroDuration());
  }
}

TEST_F(BatchSchedulerTest, BatchesAreAtMostMaxBatchSize) {
  Start(Options(3));
  Answer warm, answers[8];
  Occupy(&warm);
  for (Answer& answer : answers) {
    ASSERT_THAT(scheduler_->Submit(Job(0.5f, LaterState(0), &answer)), IsOk());
  }
  EXPECT_EQ(scheduler_->queued_frames(), 8u);
  fake_.Release();
  scheduler_->Stop();
  std::vector<int> sizes;
  for (const auto& batch : fake_.batches()) sizes.push_back(batch.size);
  EXPECT_THAT(sizes, testing::ElementsAre(3, 3, 2));
  for (const Answer& answer : answers) EXPECT_THAT(answer.output, IsOk());
}

TEST_F(BatchSchedulerTest, FullBatchDoesNotWait) {
  Start(Options(2, absl::Hours(1)));
  Answer answers[2];
  absl::BlockingCounter done(2);
  for (Answer& answer : answers) {
    FrameJob job = Job(0.5f, {}, &answer);
    job.done = [&](absl::StatusOr<StepOutput>, const StepTiming&) { done.DecrementCount(); };
    ASSERT_THAT(scheduler_->Submit(std::move(job)), IsOk());
  }
  done.Wait();
  EXPECT_EQ(fake_.batches()[0].size, 2);
}

TEST_F(BatchSchedulerTest, LoneFrameWaitsNoLongerThanTheDelay) {
  Start(Options(8, absl::Milliseconds(20)));
  absl::BlockingCounter done(1);
  Answer unused;
  FrameJob job = Job(0.5f, {}, &unused);
  StepTiming timing;
  job.done = [&](absl::StatusOr<StepOutput> output, const StepTiming& t) {
    timing = t;
    done.DecrementCount();
  };
  ASSERT_THAT(scheduler_->Submit(std::move(job)), IsOk());
  done.Wait();
  EXPECT_GE(timing.queue, absl::Milliseconds(19));
  EXPECT_EQ(timing.batch_size, 1);
}

TEST_F(BatchSchedulerTest, FirstFramesAndModelsAreNotMixedAndTheOldestGoesFirst) {
  Start(Options(8));
  Answer warm, answers[6];
  Occupy(&warm);
  ASSERT_THAT(scheduler_->Submit(Job(0, LaterState(0), &answers[0])), IsOk());
  ASSERT_THAT(scheduler_->Submit(Job(0, {}, &answers[1])), IsOk());
  ASSERT_THAT(scheduler_->Submit(Job(0, LaterState(0), &answers[2])), IsOk());
  FrameJob of_other = Job(0, {}, &answers[3]);
  of_other.model = Borrowed(&other_);
  ASSERT_THAT(scheduler_->Submit(std::move(of_other)), IsOk());
  ASSERT_THAT(scheduler_->Submit(Job(0, {}, &answers[4])), IsOk());
  ASSERT_THAT(scheduler_->Submit(Job(0, LaterState(0), &answers[5])), IsOk());
  fake_.Release();
  scheduler_->Stop();
  const auto batches = fake_.batches();
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].size, 3);
  EXPECT_FALSE(batches[0].first_frames);
  EXPECT_EQ(batches[1].size, 2);
  EXPECT_TRUE(batches[1].first_frames);
  EXPECT_FALSE(batches[0].mixed || batches[1].mixed);
  ASSERT_EQ(other_.batches().size(), 1u);
  EXPECT_EQ(other_.batches()[0].size, 1);
  for (const Answer& answer : answers) EXPECT_THAT(answer.output, IsOk());
}

TEST_F(BatchSchedulerTest, FullQueueIsResourceExhausted) {
  SchedulerOptions options = Options();
  options.policy.max_queued_frames = 2;
  Start(options);
  Answer warm, answers[3];
  Occupy(&warm);
  ASSERT_THAT(scheduler_->Submit(Job(0, {}, &answers[0])), IsOk());
  ASSERT_THAT(scheduler_->Submit(Job(0, {}, &answers[1])), IsOk());
  EXPECT_THAT(scheduler_->Submit(Job(0, {}, &answers[2])),
              FailsWith(StatusCode::kResourceExhausted, "2 places"));
  fake_.Release();
  scheduler_->Stop();
  EXPECT_THAT(answers[1].output, IsOk());
  EXPECT_EQ(answers[2].calls, 0);
}

TEST_F(BatchSchedulerTest, FramesPastTheirDeadlineAreNotComputed) {
  Start(Options());
  Answer warm, late, in_time;
  Occupy(&warm);
  FrameJob job = Job(0, LaterState(0), &late);
  job.deadline = absl::Now() + absl::Milliseconds(5);
  ASSERT_THAT(scheduler_->Submit(std::move(job)), IsOk());
  ASSERT_THAT(scheduler_->Submit(Job(0, LaterState(0), &in_time)), IsOk());
  absl::SleepFor(absl::Milliseconds(10));
  fake_.Release();
  scheduler_->Stop();
  EXPECT_THAT(late.output, FailsWith(StatusCode::kDeadlineExceeded, "deadline"));
  EXPECT_EQ(late.calls, 1);
  EXPECT_THAT(in_time.output, IsOk());
  EXPECT_EQ(fake_.num_frames(), 1);
}

TEST_F(BatchSchedulerTest, CancelledFramesAreNotComputed) {
  Start(Options());
  Answer warm, answers[3];
  std::atomic<bool> cancelled{false};
  Occupy(&warm);
  for (Answer& answer : answers) {
    FrameJob job = Job(0, LaterState(0), &answer);
    job.cancelled = [&cancelled] { return cancelled.load(); };
    ASSERT_THAT(scheduler_->Submit(std::move(job)), IsOk());
  }
  cancelled = true;
  fake_.Release();
  scheduler_->Stop();
  for (const Answer& answer : answers) {
    EXPECT_THAT(answer.output, FailsWith(StatusCode::kCancelled, "cancelled"));
    EXPECT_EQ(answer.calls, 1);
  }
  EXPECT_EQ(fake_.num_frames(), 0);
}

TEST_F(BatchSchedulerTest, FailedBatchAnswersEveryFrameAndTheNextOneRuns) {
  Start(Options(2));
  Answer warm, answers[3];
  Occupy(&warm);
  for (Answer& answer : answers) {
    ASSERT_THAT(scheduler_->Submit(Job(0, LaterState(0), &answer)), IsOk());
  }
  fake_.FailNext(absl::ResourceExhaustedError("out of memory"));  // the occupying batch
  fake_.Release();
  scheduler_->Stop();
  EXPECT_THAT(warm.output, FailsWith(StatusCode::kResourceExhausted, "memory"));
  for (const Answer& answer : answers) EXPECT_THAT(answer.output, IsOk());
  ASSERT_EQ(reports_.size(), 3u);
  EXPECT_EQ(reports_[0].status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(reports_[1].batch_size, 2);
  EXPECT_THAT(reports_[1].status, IsOk());
}

TEST_F(BatchSchedulerTest, WrongJobsAreRefused) {
  Start(Options());
  Answer answer;
  FrameJob job = Job(0, {}, &answer);
  job.model = nullptr;
  EXPECT_THAT(scheduler_->Submit(std::move(job)),
              FailsWith(StatusCode::kInvalidArgument, "no model"));
  job = Job(0, {}, &answer);
  job.pixels.pop_back();
  EXPECT_THAT(scheduler_->Submit(std::move(job)), FailsWith(StatusCode::kInvalidArgument, "192"));
  scheduler_->Stop();
  EXPECT_EQ(answer.calls, 0);
}

TEST_F(BatchSchedulerTest, ModelLivesUntilItsLastFrameIsAnsweredAndNoLonger) {
  Start(Options());
  auto model = std::make_shared<FakeSegmenter>();
  const std::weak_ptr<FakeSegmenter> watched = model;
  Answer answer;
  FrameJob job = Job(0, {}, &answer);
  job.model = model;
  model->Hold();
  ASSERT_THAT(scheduler_->Submit(std::move(job)), IsOk());
  ASSERT_TRUE(model->WaitUntilInside());
  FakeSegmenter* const held = model.get();
  model = nullptr;
  EXPECT_FALSE(watched.expired());
  held->Release();
  scheduler_->Stop();
  EXPECT_THAT(answer.output, IsOk());
  EXPECT_TRUE(watched.expired());
}

TEST_F(BatchSchedulerTest, StopFinishesWhatIsQueuedAndRefusesMore) {
  Start(Options(2, absl::Hours(1)));
  Answer warm, answers[5];
  fake_.Hold();
  for (Answer& answer : answers) {
    ASSERT_THAT(scheduler_->Submit(Job(0, LaterState(0), &answer)), IsOk());
  }
  std::thread stop([&] { scheduler_->Stop(); });
  std::thread stop_too([&] { scheduler_->Stop(); });
  absl::SleepFor(absl::Milliseconds(10));
  fake_.Release();
  stop.join();
  stop_too.join();
  for (const Answer& answer : answers) EXPECT_THAT(answer.output, IsOk());
  EXPECT_THAT(scheduler_->Submit(Job(0, {}, &warm)),
              FailsWith(StatusCode::kUnavailable, "stopped"));
}

TEST_F(BatchSchedulerTest, ManyThreadsMaySubmit) {
  Start(Options(4, absl::ZeroDuration()));
  constexpr int kThreads = 4, kFrames = 50;
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kFrames; ++i) {
        FrameJob job;
        job.model = Borrowed(&fake_);
        job.pixels.assign(kPixels, 0.5f);
        job.done = [&](absl::StatusOr<StepOutput> output, const StepTiming&) {
          answered += output.ok();
        };
        while (!scheduler_->Submit(std::move(job)).ok()) std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  scheduler_->Stop();
  EXPECT_EQ(answered, kThreads * kFrames);
  EXPECT_EQ(fake_.num_frames(), kThreads * kFrames);
}

}  // namespace
}  // namespace slotmatch
