#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/files.h"
#include "core/base/options.h"
#include "core/base/status.h"
#include "core/base/text_table.h"
#include "core/config/config.h"
#include "core/engine/torch_runner.h"
#include "core/model/model_cost.h"
#include "core/model/model_io.h"
#include "core/weights/manifest.h"
#include "trainer/commands/commands.h"

namespace slotmatch {
namespace {

constexpr double kMega = 1e6, kGiga = 1e9;

struct Described {
  std::string name;
  ModelCost cost;
  std::map<std::string, int64_t> disk_bytes;  // by module; empty without weights
};

// Only the backbone of a directory that holds nothing else.
void KeepBackbone(ModelCost* cost) {
  std::erase_if(cost->modules,
                [](const ModuleCost& m) { return m.name != ModuleOfKey(kBackbonePrefix); });
  cost->buffers = cost->state_values = 0;
}

absl::StatusOr<Described> DescribeDirectory(const std::string& directory) {
  PartCache parts;
  SM_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelDirectory(directory, &parts));
  Described model;
  model.name = files.manifest.name() + "/" + files.manifest.version();
  SM_ASSIGN_OR_RETURN(model.cost, CountModel(files.manifest.model()));
  const bool backbone = files.manifest.role() == "backbone";
  if (backbone) KeepBackbone(&model.cost);
  int64_t values = 0;
  for (const auto& [key, view] : files.tensors) {
    model.disk_bytes[ModuleOfKey(backbone ? kBackbonePrefix : key)] +=
        static_cast<int64_t>(view.bytes.size());
    values += view.num_elements();
  }
  if (values != model.cost.Parameters() + model.cost.buffers) {
    return absl::DataLossError(absl::StrCat(directory, " holds ", values,
                                            " values, but its manifest", " describes ",
                                            model.cost.Parameters() + model.cost.buffers));
  }
  return model;
}

absl::StatusOr<Described> DescribeConfig(const std::string& path) {
  config::ModelConfig config;
  SM_RETURN_IF_ERROR(LoadConfigFile(path, &config));
  Described model;
  model.name = std::filesystem::path(path).stem().string();
  SM_ASSIGN_OR_RETURN(model.cost, CountModel(config));
  return model;
}

double GFlops(double macs) { return kFlopsPerMac * macs / kGiga; }

// The first frame and the ones after it.
double ClipMacs(const FrameMacs& macs, int64_t frames) {
  return macs.first + static_cast<double>(frames - 1) * macs.later;
}

std::string Thousands(int64_t number) {
  std::string text = std::to_string(number);
  for (int i = static_cast<int>(text.size()) - 3; i > 0; i -= 3)
    text.insert(static_cast<size_t>(i), 1, ',');
  return text;
}

std::vector<std::string> ModuleNames(const std::vector<Described>& models) {
  std::vector<std::string> names;
  for (const Described& model : models) {
    for (const ModuleCost& module : model.cost.modules) {
      if (std::find(names.begin(), names.end(), module.name) == names.end()) {
        names.push_back(module.name);
      }
    }
  }
  return names;
}

using Text = std::function<std::string(const Described&)>;

void AddRow(const std::string& title, const std::vector<Described>& models, const Text& text,
            TextRows* rows) {
  rows->push_back({title});
  for (const Described& model : models) rows->back().push_back(text(model));
}

// A row for every module of any model; "-" where a model has none.
void AddModules(const std::vector<Described>& models,
                const std::function<std::string(const ModuleCost&)>& text, TextRows* rows) {
  for (const std::string& name : ModuleNames(models)) {
    const Text of_model = [&](const Described& model) {
      for (const ModuleCost& module : model.cost.modules) {
        if (module.name == name) return text(module);
      }
      return std::string("-");
    };
    AddRow(name, models, of_model, rows);
  }
}

TextRows Header(const std::string& title, const std::vector<Described>& models) {
  TextRows rows;
  AddRow(
      title, models, [](const Described& model) { return model.name; }, &rows);
  return rows;
}

void AddRatio(const std::vector<Described>& models,
              const std::function<double(const Described&)>& value, TextRows* rows) {
  if (models.size() < 2) return;
  const double first = value(models[0]);
  AddRow(
      "first / this", models,
      [&](const Described& model) { return absl::StrFormat("%.3f", first / value(model)); }, rows);
}

TextRows ParameterRows(const std::vector<Described>& models) {
  TextRows rows = Header("parameters", models);
  AddModules(
      models, [](const ModuleCost& m) { return Thousands(m.parameters); }, &rows);
  AddRow(
      "total", models, [](const Described& m) { return Thousands(m.cost.Parameters()); }, &rows);
  AddRow(
      "trainable", models,
      [](const Described& m) { return Thousands(m.cost.TrainableParameters()); }, &rows);
  AddRatio(
      models, [](const Described& m) { return m.cost.Parameters(); }, &rows);
  return rows;
}

TextRows GFlopRows(const std::vector<Described>& models, int64_t frames) {
  const auto add = [&](const std::string& title, auto macs, TextRows* rows) {
    AddRow(
        title, models,
        [&](const Described& m) { return absl::StrFormat("%.3f", GFlops(macs(m.cost.Macs()))); },
        rows);
  };
  const auto clip = [frames](const FrameMacs& m) { return ClipMacs(m, frames); };
  const auto plain_clip = [frames](const FrameMacs& m) {
    return ClipMacs(m, frames) - static_cast<double>(frames) * m.attention;
  };
  TextRows rows = Header("GFLOPs per frame", models);
  AddModules(
      models, [](const ModuleCost& m) { return absl::StrFormat("%.4f", GFlops(m.macs.later)); },
      &rows);
  add(
      "total", [](const FrameMacs& m) { return m.later; }, &rows);
  add(
      "total of a first frame", [](const FrameMacs& m) { return m.first; }, &rows);
  add(
      "total without backbone attention", [](const FrameMacs& m) { return m.later - m.attention; },
      &rows);
  add(absl::StrCat("clip of ", frames, " frames"), clip, &rows);
  add("clip without backbone attention", plain_clip, &rows);
  AddRatio(
      models, [&](const Described& m) { return plain_clip(m.cost.Macs()); }, &rows);
  return rows;
}

int64_t DiskBytes(const Described& model) {
  int64_t sum = 0;
  for (const auto& [module, bytes] : model.disk_bytes) sum += bytes;
  return sum;
}

int64_t RamBytes(const ModelCost& cost) {
  return static_cast<int64_t>(sizeof(float)) * (cost.Parameters() + cost.buffers);
}

TextRows MemoryRows(const std::vector<Described>& models) {
  const auto megabytes = [](double bytes) { return absl::StrFormat("%.1f", bytes / kMega); };
  TextRows rows = Header("memory, MB", models);
  AddRow(
      "weights on disk", models,
      [&](const Described& m) {
        return m.disk_bytes.empty() ? "-" : megabytes(static_cast<double>(DiskBytes(m)));
      },
      &rows);
  AddRow(
      "weights in float32", models,
      [&](const Described& m) { return megabytes(static_cast<double>(RamBytes(m.cost))); }, &rows);
  AddRow(
      "activations of a frame, estimate", models,
      [&](const Described& m) { return megabytes(sizeof(float) * m.cost.activation_values); },
      &rows);
  AddRow(
      "state of a stream, bytes", models,
      [](const Described& m) {
        return Thousands(static_cast<int64_t>(sizeof(float)) * m.cost.state_values);
      },
      &rows);
  return rows;
}

nlohmann::json ToJson(const Described& model, int64_t frames) {
  const FrameMacs macs = model.cost.Macs();
  nlohmann::json object = {
      {"model", model.name},
      {"parameters", model.cost.Parameters()},
      {"trainable_parameters", model.cost.TrainableParameters()},
      {"gflops_first_frame", GFlops(macs.first)},
      {"gflops_per_frame", GFlops(macs.later)},
      {"gflops_backbone_attention", GFlops(macs.attention)},
      {"clip_frames", frames},
      {"gflops_per_clip", GFlops(ClipMacs(macs, frames))},
      {"weights_ram_bytes", RamBytes(model.cost)},
      {"activation_bytes_estimate", sizeof(float) * model.cost.activation_values},
      {"stream_state_bytes", static_cast<int64_t>(sizeof(float)) * model.cost.state_values}};
  if (!model.disk_bytes.empty()) object["weights_disk_bytes"] = DiskBytes(model);
  for (const ModuleCost& module : model.cost.modules) {
    nlohmann::json entry = {{"name", module.name},
                            {"parameters", module.parameters},
                            {"trainable", module.trainable},
                            {"gflops_first_frame", GFlops(module.macs.first)},
                            {"gflops_per_frame", GFlops(module.macs.later)}};
    const auto disk = model.disk_bytes.find(module.name);
    if (disk != model.disk_bytes.end()) entry["disk_bytes"] = disk->second;
    object["modules"].push_back(std::move(entry));
  }
  return object;
}

absl::StatusOr<std::vector<Described>> DescribeAll(const std::vector<std::string>& directories,
                                                   const std::vector<std::string>& configs) {
  std::vector<Described> models;
  for (const std::string& directory : directories) {
    SM_ASSIGN_OR_RETURN(Described model, DescribeDirectory(directory));
    models.push_back(std::move(model));
  }
  for (const std::string& path : configs) {
    SM_ASSIGN_OR_RETURN(Described model, DescribeConfig(path));
    models.push_back(std::move(model));
  }
  return models;
}

}  // namespace

absl::Status DescribeCommand(int argc, char** argv) {
  std::vector<std::string> configs;
  std::string json;
  int64_t frames = 30;
  bool markdown = false;
  OptionTable options("slotmatch_trainer describe [MODEL ...]",
                      "Counts parameters, FLOPs and memory of model directories and of model "
                      "configurations, side by side.");
  options.Repeated("config", "FILE",
                   "a ModelConfig without weights, e.g. configs/model/NAME.textproto", &configs);
  options.Integer("frames", "N", "length of a clip", &frames);
  options.Text("json", "FILE", "write everything as a JSON object", &json);
  options.Flag("markdown", "print the tables as Markdown", &markdown);
  SM_ASSIGN_OR_RETURN(const auto directories, options.Parse(argc, argv, OptionTable::kAnyNumber));
  if (options.PrintedAnswer(TorchLibraries())) return absl::OkStatus();
  if (directories.empty() && configs.empty()) {
    return absl::InvalidArgumentError("describe needs a model directory or --config FILE");
  }
  if (frames < 1) return absl::InvalidArgumentError("--frames must be above 0");
  SM_ASSIGN_OR_RETURN(const std::vector<Described> models, DescribeAll(directories, configs));
  const auto print = markdown ? MarkdownTable : AlignedTable;
  for (const TextRows& rows :
       {ParameterRows(models), GFlopRows(models, frames), MemoryRows(models)}) {
    std::printf("%s\n", print(rows).c_str());
  }
  std::printf("A multiply-accumulate is 2 FLOPs; matrix products and convolutions only.\n");
  if (json.empty()) return absl::OkStatus();
  nlohmann::json object;
  for (const Described& model : models) object["models"].push_back(ToJson(model, frames));
  return WriteFileAtomically(json, object.dump(2) + "\n");
}

}  // namespace slotmatch
