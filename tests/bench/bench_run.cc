#include "tests/bench/bench_run.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/bench/load_session.h"
#include "client/bench/pictures.h"
#include "client/bench/report.h"
#include "core/base/progress.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr int kPictures = 48;
constexpr int kConnections = 8;
constexpr int kMaxSessions = 1200;
constexpr absl::Duration kIdlePatience = absl::Minutes(10);

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

template <typename F>
double MedianOf(const std::vector<Round>& rounds, F value) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(value(round));
  return Median(std::move(values));
}

// A load that is measured once, for as long as `window`.
absl::StatusOr<LoadResult> OneWindow(const BenchWorld& world, int sessions, int in_flight,
                                     absl::Duration window) {
  SM_ASSIGN_OR_RETURN(const auto channels, world.server->Connect(kConnections));
  LoadOptions load;
  load.sessions = sessions;
  load.in_flight = in_flight;
  load.warm_up = absl::Seconds(1);
  load.window = window;
  load.min_windows = load.max_windows = 1;
  load.last_answers = absl::Minutes(5);  // 64 sessions have 128 frames inside
  SM_ASSIGN_OR_RETURN(LoadResult result, RunLoad(channels, world.pictures, load));
  if (result.total.results == 0) return absl::InternalError("no results came back");
  SM_RETURN_IF_ERROR(LoadVerdict(result));
  return result;
}

absl::StatusOr<Round> RunRound(const BenchOptions& options, BenchWorld* world) {
  const auto streams = static_cast<int>(options.streams), steps = static_cast<int>(options.steps);
  const auto frames = static_cast<double>(streams) * steps;
  Round round;
  round.backbone = frames / absl::ToDoubleSeconds(world->engine->Backbone(streams, steps));
  SM_ASSIGN_OR_RETURN(const absl::Duration model, world->engine->WholeModel(streams, steps));
  round.model = frames / absl::ToDoubleSeconds(model);
  SM_ASSIGN_OR_RETURN(const LoadResult served, OneWindow(*world, streams, /*in_flight=*/3,
                                                         std::max(model, absl::Seconds(1))));
  round.service = served.total.results_per_second();
  return round;
}

// In RAM, once the server has given freed memory back, which it does every few seconds.
double SettledBytes(const BenchServer& server) {
  absl::SleepFor(absl::Seconds(12));
  return static_cast<double>(server.rss_bytes());
}

}  // namespace

absl::StatusOr<BenchWorld> OpenWorld(const BenchOptions& options) {
  if (options.streams < 1 || options.steps < 1 || options.rounds < 1) {
    return absl::InvalidArgumentError("--streams, --steps and --rounds must be at least 1");
  }
  BenchWorld world;
  SM_ASSIGN_OR_RETURN(world.engine,
                      EngineBench::Open(options.model, static_cast<int>(options.threads)));
  SM_ASSIGN_OR_RETURN(world.pictures, ReadPictures(options.video, kPictures));
  SM_ASSIGN_OR_RETURN(
      world.server,
      BenchServer::Start(
          options.server, options.model,
          {absl::StrCat("compute.torch_threads=", options.threads),
           absl::StrCat("limits.max_sessions=", kMaxSessions),
           absl::StrCat("batching.max_queued_frames=", 2 * kMaxSessions),
           // More sessions than the model is fast enough for are the point here.
           "degrade.enabled=false", "admission.max_wait_ratio=0",
           absl::StrCat("batching.max_batch_size=", std::max<int64_t>(8, options.streams))}));
  return world;
}

absl::StatusOr<Speeds> CompareSpeeds(const BenchOptions& options, BenchWorld* world) {
  SM_RETURN_IF_ERROR(RunRound(options, world).status());  // warm-up, not counted
  std::vector<Round> rounds;
  Progress progress("bench", "rounds", options.rounds);
  for (int64_t i = 0; i < options.rounds; ++i) {
    SM_ASSIGN_OR_RETURN(const Round round, RunRound(options, world));
    rounds.push_back(round);
    progress.Update(i + 1);
  }
  progress.Finish();
  Speeds speeds;
  speeds.fps.backbone = MedianOf(rounds, [](const Round& r) { return r.backbone; });
  speeds.fps.model = MedianOf(rounds, [](const Round& r) { return r.model; });
  speeds.fps.service = MedianOf(rounds, [](const Round& r) { return r.service; });
  speeds.model_to_backbone = MedianOf(rounds, [](const Round& r) { return r.model / r.backbone; });
  speeds.service_to_model = MedianOf(rounds, [](const Round& r) { return r.service / r.model; });
  return speeds;
}

absl::StatusOr<AddedLatency> MeasureAdded(const BenchOptions& options, BenchWorld* world) {
  SM_ASSIGN_OR_RETURN(const LoadResult result,
                      OneWindow(*world, /*sessions=*/1, /*in_flight=*/1, absl::Seconds(20)));
  AddedLatency added;
  added.p99_ms = absl::ToDoubleMilliseconds(result.total.added.Quantile(0.99));
  added.model_ms =
      absl::ToDoubleMilliseconds(result.total.latency.mean() - result.total.added.mean());
  return added;
}

absl::StatusOr<SessionMemory> MeasureSessions(const BenchOptions& options, BenchWorld* world) {
  SessionMemory memory;
  const absl::Duration window = absl::Seconds(10);
  // What live sessions leave in the allocator is there before the first reading.
  SM_RETURN_IF_ERROR(OneWindow(*world, memory.live, /*in_flight=*/2, window).status());
  SM_ASSIGN_OR_RETURN(const auto channels, world->server->Connect(kConnections));
  const double before = SettledBytes(*world->server);
  LoadRecorder recorder;
  std::vector<std::unique_ptr<LoadSession>> sessions;
  for (int i = 0; i < memory.idle; ++i) {
    LoadSession::Options session;
    session.pictures = &world->pictures;
    session.first_picture = static_cast<size_t>(i);
    sessions.push_back(
        std::make_unique<LoadSession>(channels[i % channels.size()], session, &recorder));
    SM_RETURN_IF_ERROR(sessions.back()->WaitUntilOpen());
    sessions.back()->Offer(absl::Now());
  }
  const absl::Time end = absl::Now() + kIdlePatience;
  Progress progress("sessions", "frames", memory.idle);
  for (int64_t answered = 0; answered < memory.idle;) {
    if (absl::Now() > end) return absl::DeadlineExceededError("idle sessions got no answer");
    absl::SleepFor(absl::Milliseconds(200));
    const LoadWindow more = recorder.Take();
    if (more.errors > 0) return absl::InternalError("a frame of an idle session failed");
    answered += more.results;
    progress.Update(answered);
  }
  progress.Finish();
  memory.idle_bytes = (SettledBytes(*world->server) - before) / memory.idle;
  SM_ASSIGN_OR_RETURN(const LoadResult live, OneWindow(*world, memory.live, 2, window));
  memory.live_fps = live.total.results_per_second();
  memory.all_bytes = (SettledBytes(*world->server) - before) / (memory.idle + memory.live);
  for (const auto& session : sessions) {
    if (session->ended()) return absl::InternalError("an idle session was ended by the server");
  }
  return memory;
}

}  // namespace slotmatch
