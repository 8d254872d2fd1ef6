#include "server/app/server_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/config/config.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using testing::HasSubstr;

constexpr absl::StatusCode kWrong = absl::StatusCode::kFailedPrecondition;

absl::StatusOr<ServerOptions> Parse(std::vector<std::string> words) {
  words.insert(words.begin(), "slotmatch_server");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return ParseServerOptions(static_cast<int>(words.size()), argv.data(), "Library 1\n");
}

config::ServeConfig Valid() {
  config::ServeConfig config;
  config.add_models()->set_path("m");
  return config;
}

TEST(ParseServerOptions, OptionsBeatSettingsBeatTheFile) {
  const TempDir dir;
  const std::string file =
      dir.Write("serve.textproto",
                "models { path: 'file' } limits { max_sessions: 5 max_queued_frames: 6 }\n"
                "listen { grpc_address: 'file:1' metrics_address: 'file:2' }");
  const auto options =
      Parse({"--config", file, "--set", "limits.max_sessions=7", "--set",
             "listen.grpc_address=set:1", "--listen", "option:1", "--model", "a", "--model", "b",
             "--metrics", "none", "--admin", "none", "--ready-file", "r"});
  ASSERT_THAT(options, IsOk());
  const config::ServeConfig& config = options->config;
  EXPECT_EQ(config.limits().max_sessions(), 7);
  EXPECT_EQ(config.limits().max_queued_frames(), 6);
  EXPECT_EQ(config.listen().grpc_address(), "option:1");
  EXPECT_EQ(config.listen().metrics_address(), "");
  EXPECT_EQ(config.listen().admin_address(), "");
  ASSERT_EQ(config.models_size(), 2);
  EXPECT_EQ(config.models(0).path(), "a");
  EXPECT_EQ(config.models(1).path(), "b");
  EXPECT_EQ(options->ready_file, "r");
}

TEST(ParseServerOptions, ModelsOfTheFileStayWithoutModelOptions) {
  const TempDir dir;
  const auto options = Parse({"--config", dir.Write("c", "models { path: 'a' name: 'x' }")});
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->config.models(0).name(), "x");
}

TEST(ParseServerOptions, HelpAndVersionNeedNothingElse) {
  EXPECT_THAT(Parse({"--help"})->early_text, HasSubstr("--model DIR"));
  EXPECT_THAT(Parse({"--version"})->early_text, HasSubstr("Library 1"));
}

TEST(ParseServerOptions, WrongCommandLinesAreUsageErrors) {
  EXPECT_THAT(Parse({"--modle", "a"}), FailsWith(absl::StatusCode::kInvalidArgument, "--modle"));
  EXPECT_THAT(Parse({"--model"}), FailsWith(absl::StatusCode::kInvalidArgument, "--model"));
  EXPECT_THAT(Parse({"--model", "a", "extra"}),
              FailsWith(absl::StatusCode::kInvalidArgument, "'extra'"));
}

TEST(ParseServerOptions, WrongSettingsAreConfigurationErrors) {
  const TempDir dir;
  EXPECT_THAT(Parse({}), FailsWith(kWrong, "--model DIR"));
  EXPECT_THAT(Parse({"--config", dir.File("no")}), FailsWith(absl::StatusCode::kNotFound, "no"));
  EXPECT_THAT(Parse({"--config", dir.Write("c", "limits { max_sesions: 1 }")}),
              FailsWith(kWrong, "max_sesions"));
  EXPECT_THAT(Parse({"--model", "a", "--set", "limits.nothing=1"}), FailsWith(kWrong, "nothing"));
  EXPECT_THAT(Parse({"--model", "a", "--listen", "nowhere"}), FailsWith(kWrong, "'nowhere'"));
}

TEST(ValidateServeConfig, DefaultsAreValid) { EXPECT_THAT(ValidateServeConfig(Valid()), IsOk()); }

TEST(ValidateServeConfig, NamesTheSettingThatIsOutOfRange) {
  for (const char* assignment :
       {"limits.max_message_bytes=0", "limits.max_frame_pixels=0", "limits.max_frame_side_px=70000",
        "limits.max_sessions=0", "limits.max_queued_frames=-1", "limits.session_idle_timeout_s=0",
        "batching.max_batch_size=0", "batching.max_delay_us=-1", "batching.max_queued_frames=1",
        "compute.torch_threads=-1", "compute.decode_threads=0", "shutdown.lame_duck_ms=-1",
        "shutdown.drain_deadline_ms=-5"}) {
    config::ServeConfig config = Valid();
    ASSERT_THAT(ApplyOverride(assignment, &config), IsOk());
    const std::string setting =
        std::string(assignment).substr(0, std::string(assignment).find('='));
    EXPECT_THAT(ValidateServeConfig(config), FailsWith(kWrong, setting + " is ")) << assignment;
  }
}

TEST(ValidateServeConfig, EverySessionNeedsAPlaceInTheBatchQueue) {
  config::ServeConfig config = Valid();
  config.mutable_limits()->set_max_sessions(300);
  EXPECT_THAT(ValidateServeConfig(config), FailsWith(kWrong, "batching.max_queued_frames"));
  config.mutable_batching()->set_max_queued_frames(300);
  EXPECT_THAT(ValidateServeConfig(config), IsOk());
}

TEST(ValidateServeConfig, AddressesAreHostAndPort) {
  for (const char* address : {"", "host", "host:", ":50051", "host:http", "host:65536", "unix:"}) {
    config::ServeConfig config = Valid();
    config.mutable_listen()->set_grpc_address(address);
    EXPECT_THAT(ValidateServeConfig(config), FailsWith(kWrong, "listen.grpc_address")) << address;
  }
  for (const char* address :
       {"0.0.0.0:1", "[::1]:50051", "localhost:0", "unix:/run/slotmatch.sock"}) {
    config::ServeConfig config = Valid();
    config.mutable_listen()->set_grpc_address(address);
    EXPECT_THAT(ValidateServeConfig(config), IsOk()) << address;
  }
}

TEST(ValidateServeConfig, MetricsPortIsNoSocketFile) {
  config::ServeConfig config = Valid();
  config.mutable_listen()->set_metrics_address("unix:/run/slotmatch.sock");
  EXPECT_THAT(ValidateServeConfig(config), FailsWith(kWrong, "listen.metrics_address"));
}

TEST(ValidateServeConfig, FrameRateIsNotNegative) {
  config::ServeConfig config = Valid();
  for (const double wrong : {-1.0, std::nan("")}) {
    config.mutable_limits()->set_max_frames_per_s(wrong);
    EXPECT_THAT(ValidateServeConfig(config), FailsWith(kWrong, "limits.max_frames_per_s"));
  }
}

TEST(ValidateServeConfig, ClientNamesNeedAnAuthority) {
  config::ServeConfig config = Valid();
  config::TlsConfig& tls = *config.mutable_security()->mutable_tls();
  tls.add_client_names("camera");
  EXPECT_THAT(ValidateServeConfig(config), FailsWith(kWrong, "client_ca_file"));
  tls.set_client_ca_file("ca.pem");
  EXPECT_THAT(ValidateServeConfig(config), IsOk());
}

TEST(ValidateServeConfig, AdminPortThatOthersReachNeedsTokens) {
  config::ServeConfig config = Valid();
  for (const char* address : {"127.0.0.1:1", "127.1.2.3:0", "localhost:1", "[::1]:1", ""}) {
    config.mutable_listen()->set_admin_address(address);
    EXPECT_THAT(ValidateServeConfig(config), IsOk()) << address;
  }
  for (const char* address : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "127.example.com:1"}) {
    config.mutable_listen()->set_admin_address(address);
    EXPECT_THAT(ValidateServeConfig(config), FailsWith(kWrong, "security.token_file")) << address;
    config.mutable_security()->set_token_file("tokens");
    EXPECT_THAT(ValidateServeConfig(config), IsOk()) << address;
    config.mutable_security()->clear_token_file();
  }
  config.mutable_listen()->set_admin_address("nowhere");
  EXPECT_THAT(ValidateServeConfig(config), FailsWith(kWrong, "listen.admin_address"));
}

TEST(ValidateServeConfig, ModelsNeedAPath) {
  config::ServeConfig config = Valid();
  config.add_models()->set_name("x");
  EXPECT_THAT(ValidateServeConfig(config), FailsWith(kWrong, "path"));
}

}  // namespace
}  // namespace slotmatch
