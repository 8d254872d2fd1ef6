#include "tests/support/server_fixture.h"

#include <cstring>
#include <filesystem>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "core/base/log.h"
#include "core/image/preprocess.h"

namespace slotmatch {

bool Eventually(const std::function<bool()>& condition, absl::Duration patience) {
  const absl::Time end = absl::Now() + patience;
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

TestStream::TestStream(const std::shared_ptr<grpc::Channel>& channel, absl::Duration deadline,
                       const Metadata& metadata)
    : stub_(v1::SlotMatchService::NewStub(channel)) {
  context_.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
  for (const auto& [key, value] : metadata) context_.AddMetadata(key, value);
  stream_ = stub_->Segment(&context_);
}

TestStream::~TestStream() {
  if (finished_) return;
  Cancel();
  Finish();
}

bool TestStream::SendConfig(const v1::SessionConfig& config) {
  v1::SegmentRequest request;
  *request.mutable_config() = config;
  return Send(request);
}

bool TestStream::SendPicture(uint64_t frame_id, const Image& picture) {
  v1::SegmentRequest request;
  request.mutable_frame()->set_frame_id(frame_id);
  v1::RawImage* raw = request.mutable_frame()->mutable_raw();
  raw->set_format(v1::PIXEL_FORMAT_RGB8);
  raw->set_width(picture.width);
  raw->set_height(picture.height);
  raw->set_data(picture.rgb.data(), picture.rgb.size());
  return Send(request);
}

bool TestStream::SendBytes(uint64_t frame_id, const std::string& encoded) {
  v1::SegmentRequest request;
  request.mutable_frame()->set_frame_id(frame_id);
  request.mutable_frame()->set_encoded(encoded);
  return Send(request);
}

bool TestStream::SendPing(uint64_t nonce) {
  v1::SegmentRequest request;
  request.mutable_control()->mutable_ping()->set_nonce(nonce);
  return Send(request);
}

bool TestStream::SendSnapshot() {
  v1::SegmentRequest request;
  request.mutable_control()->mutable_snapshot();
  return Send(request);
}

std::optional<v1::SegmentResponse> TestStream::Read() {
  v1::SegmentResponse response;
  if (!stream_->Read(&response)) return std::nullopt;
  return response;
}

v1::SessionOpened TestStream::Open(const v1::SessionConfig& config) {
  EXPECT_TRUE(SendConfig(config));
  const auto response = Read();
  EXPECT_TRUE(response.has_value() && response->has_opened());
  return response.has_value() ? response->opened() : v1::SessionOpened();
}

grpc::Status TestStream::Finish() {
  finished_ = true;
  while (Read().has_value()) {
  }
  return stream_->Finish();
}

ServerFixture::ServerFixture() {
  InitLog("error", false);
  config_.mutable_listen()->set_grpc_address("127.0.0.1:0");
  config_.mutable_listen()->set_metrics_address("");
  config_.mutable_listen()->set_admin_address("");
  config_.mutable_batching()->set_max_delay_us(0);
  config_.mutable_shutdown()->set_drain_deadline_ms(100);
  config_.mutable_degrade()->set_enabled(false);  // a slow machine is no overload
  config_.mutable_admission()->set_max_wait_ratio(0);
}

TestServer::~TestServer() {
  if (app == nullptr) return;
  for (const auto& weak : *made) {
    if (const auto model = weak.lock()) model->Release();
  }
}

ModelLoader FakeLoader(std::shared_ptr<MadeFakes> made) {
  return [made](const config::ServedModel& served) -> absl::StatusOr<std::shared_ptr<Segmenter>> {
    const std::filesystem::path path(served.path());
    int version = 0;
    if (!absl::SimpleAtoi(path.filename().string(), &version)) {
      return absl::DataLossError(served.path() + " is damaged");
    }
    const std::string name =
        served.name().empty() ? path.parent_path().filename().string() : served.name();
    auto model = std::make_shared<FakeSegmenter>(name, version);
    if (made != nullptr) made->push_back(model);
    return model;
  };
}

config::ServeConfig Serving(config::ServeConfig config, const std::vector<std::string>& paths) {
  config.clear_models();
  for (const std::string& path : paths) config.add_models()->set_path(path);
  return config;
}

TestServer StartServer(const config::ServeConfig& config) {
  TestServer server;
  server.made = std::make_shared<MadeFakes>();
  auto app = ServerApp::Start(config.models().empty() ? Serving(config, {"fake/1"}) : config,
                              FakeLoader(server.made));
  if (!app.ok()) {
    ADD_FAILURE() << app.status();
    return server;
  }
  server.fake = server.made->front().lock().get();
  server.app = *std::move(app);
  server.fake->Forget();  // the warm-up
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // every test has its own connection
  arguments.SetMaxReceiveMessageSize(-1);
  server.channel = grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", server.app->grpc_port()),
                                             grpc::InsecureChannelCredentials(), arguments);
  return server;
}

void ServerFixture::StartApp() {
  server_ = StartServer(config_);
  ASSERT_NE(server_.app, nullptr);
  fake_ = server_.fake;
  app_ = server_.app.get();
  channel_ = server_.channel;
}

double ServerFixture::Metric(const std::string& series) const {
  double sum = 0;
  const std::string text = app_->metrics().Text();
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    double value = 0;
    if (!absl::StartsWith(line, series)) continue;
    if (absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &value)) sum += value;
  }
  return sum;
}

std::vector<std::vector<float>> ServerFixture::ExpectedSlots(
    const std::vector<Image>& pictures) const {
  std::vector<std::vector<float>> slots;
  StreamState state;
  const ModelInfo& info = fake_->info();
  for (const Image& picture : pictures) {
    std::vector<float> pixels(size_t{3} * info.input_height_px * info.input_width_px);
    Preprocess(picture, info.preprocessing, info.input_height_px, info.input_width_px,
               absl::MakeSpan(pixels));
    StepOutput output = fake_->StepOne({pixels, &state});
    slots.push_back(output.slots);
    state = output.next_state;
  }
  return slots;
}

std::vector<float> SlotsOf(const v1::FrameResult& result) {
  std::string bytes;
  for (const v1::Slot& slot : result.slots()) bytes += slot.vector();
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

}  // namespace slotmatch
