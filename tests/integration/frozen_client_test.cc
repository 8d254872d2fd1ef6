// The client program frozen in the middle of a video, as on a machine that sleeps or swaps: the
// server ends its session and no other, and it goes on when it wakes up.
#include <signal.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/integration/programs.h"

namespace slotmatch {
namespace {

constexpr double kMaskAgreement = 0.999;  // frames are batched with those of others or not
constexpr int kAnswered = 10;             // before the freeze: the client has a state then
constexpr int kFrames = 24;               // more than a client has unanswered
constexpr double kMostGrowthBytes = 64 << 20;

// What tells the server, and what it then says about the session.
struct Row {
  const char* name;
  std::vector<std::string> settings;
  std::vector<std::string> reasons;  // one of them
};

class FrozenClient : public testing::TestWithParam<Row> {
 protected:
  void SetUp() override {
    folder_ = FreshFolder(absl::StrCat("frozen_", GetParam().name));
    std::vector<std::string> arguments;
    for (const std::string& setting : GetParam().settings) {
      arguments.insert(arguments.end(), {"--set", setting});
    }
    server_ =
        std::make_unique<ServerProcess>(folder_, std::vector<std::string>{kStudent}, arguments);
    ASSERT_TRUE(server_->ready()) << server_->process().Output();
  }
  void TearDown() override { RemoveUnlessFailed(folder_); }

  std::string Out(const std::string& name) const { return folder_ + "/" + name; }
  std::unique_ptr<Process> Start(const std::string& name) {
    return StartClient(
        server_->address(), Out(name) + ".log",
        {"--video", kSampleVideo, "--out", Out(name), "--max-frames", absl::StrCat(kFrames)});
  }
  double Metric(const std::string& name, const std::string& label = "") const {
    return MetricValue(HttpGet(server_->metrics_port(), "/metrics"), name, label);
  }
  double Closed() const {
    double closed = 0;
    for (const std::string& reason : GetParam().reasons) {
      closed += Metric("slotmatch_sessions_closed_total", "reason=\"" + reason + "\"");
    }
    return closed;
  }

  std::string folder_;
  std::unique_ptr<ServerProcess> server_;
};

TEST_P(FrozenClient, LosesItsSessionAloneAndGoesOnWithIt) {
  const auto first = Start("undisturbed");
  ASSERT_EQ(first->Wait(kRunPatience), 0) << first->Output();
  const double bytes = Metric("process_resident_memory_bytes");
  const auto frozen = Start("frozen");
  ASSERT_TRUE(Eventually([&] { return CountLines(Out("frozen") + "/slots.jsonl") >= kAnswered; },
                         kRunPatience));
  frozen->Signal(SIGSTOP);
  const auto other = Start("other");
  EXPECT_EQ(other->Wait(kRunPatience), 0) << "another session suffers: " << other->Output();
  EXPECT_TRUE(Eventually([&] { return Closed() == 1; }, kShortPatience))
      << HttpGet(server_->metrics_port(), "/metrics");
  EXPECT_EQ(Metric("slotmatch_sessions_active"), 0);
  EXPECT_LT(Metric("process_resident_memory_bytes") - bytes, kMostGrowthBytes);
  EXPECT_LT(CountLines(Out("frozen") + "/slots.jsonl"), kFrames);

  frozen->Signal(SIGCONT);
  EXPECT_EQ(frozen->Wait(kRunPatience), 0) << frozen->Output();
  EXPECT_EQ(Metric("slotmatch_session_resumes_total", "result=\"ok\""), 1);
  EXPECT_EQ(ReadJson(Out("frozen") + "/summary.json").at("frames").get<int>(), kFrames);
  ExpectSameMasks(Out("undisturbed"), Out("frozen"), kFrames, kMaskAgreement);
  ExpectSameMasks(Out("undisturbed"), Out("other"), kFrames, kMaskAgreement);
}

INSTANTIATE_TEST_SUITE_P(
    NoticedBy, FrozenClient,
    testing::Values(Row{"ItsSilence", {"limits.session_idle_timeout_s=3"}, {"idle", "not_reading"}},
                    Row{"Keepalive",
                        {"listen.keepalive_time_s=2", "listen.keepalive_timeout_s=1"},
                        {"client_cancelled"}}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slotmatch
