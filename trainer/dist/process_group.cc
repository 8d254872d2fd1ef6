#include "trainer/dist/process_group.h"

#include <torch/torch.h>

#include <cstdlib>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include "absl/strings/str_cat.h"

namespace slotmatch {
namespace {

using Gloo = c10d::ProcessGroupGloo;

std::chrono::milliseconds Milliseconds(absl::Duration duration) {
  return std::chrono::milliseconds(absl::ToInt64Milliseconds(duration));
}

c10::intrusive_ptr<c10d::Store> OpenStore(const ProcessPlace& place, absl::Duration timeout) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(place.port);
  options.isServer = place.first() && !place.store_is_up;
  options.numWorkers = place.size;
  options.timeout = Milliseconds(timeout);
  auto store = c10::make_intrusive<c10d::TCPStore>(place.address, options);
  return c10::make_intrusive<c10d::PrefixStore>("slotmatch", std::move(store));
}

// The network as c10d chooses it: GLOO_SOCKET_IFNAME, else the machine's own name. Processes that
// meet at a loopback address stay on it.
std::shared_ptr<::gloo::transport::Device> OpenDevice(const ProcessPlace& place) {
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME"); interface != nullptr) {
    return Gloo::createDeviceForInterface(interface);
  }
  if (place.address == "localhost" || place.address == "127.0.0.1") {
    return Gloo::createDeviceForHostname("127.0.0.1");
  }
  return Gloo::createDefaultDevice();
}

// all_gather whose gradient is the sum over the processes of what each has for the own part.
class GatherFunction : public torch::autograd::Function<GatherFunction> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& own,
                               ProcessGroup* group) {
    context->saved_data["group"] = reinterpret_cast<int64_t>(group);
    context->saved_data["rows"] = own.size(0);
    std::vector<int64_t> shape = own.sizes().vec();
    shape[0] *= group->size();
    const torch::Tensor all = torch::zeros(shape, own.options());
    all.narrow(0, group->rank() * own.size(0), own.size(0)).copy_(own);
    group->Sum(all);  // zeros elsewhere: the sum is exact
    return all;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    auto* group = reinterpret_cast<ProcessGroup*>(context->saved_data["group"].toInt());
    const int64_t rows = context->saved_data["rows"].toInt();
    const torch::Tensor gradient = gradients[0].contiguous().clone();
    group->Sum(gradient);
    return {gradient.narrow(0, group->rank() * rows, rows), torch::Tensor()};
  }
};

}  // namespace

struct ProcessGroup::Backend {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<Gloo> gloo;  // what lies on the CPU
#ifdef USE_C10D_NCCL
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> nccl;  // what lies on a GPU; null: there is none

  void OpenNccl(const ProcessPlace& place, absl::Duration timeout) {
    if (!torch::cuda::is_available()) return;
    // Else a process that is gone is noticed only by a thread of NCCL's, which ends this one.
    setenv("TORCH_NCCL_BLOCKING_WAIT", "1", /*overwrite=*/0);
    auto options = c10d::ProcessGroupNCCL::Options::create();
    options->timeout = Milliseconds(timeout);
    nccl = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, place.rank, place.size, options);
  }
#else
  void OpenNccl(const ProcessPlace&, absl::Duration) {}
#endif

  // Calls `collective` with the group that the tensor's device has.
  template <typename Collective>
  auto On(const torch::Tensor& tensor, const Collective& collective) {
#ifdef USE_C10D_NCCL
    if (tensor.is_cuda()) return collective(*nccl);
#endif
    return collective(*gloo);
  }
};

ProcessGroup::ProcessGroup() = default;
ProcessGroup::~ProcessGroup() = default;

absl::StatusOr<std::unique_ptr<ProcessGroup>> ProcessGroup::Join(const ProcessPlace& place,
                                                                 absl::Duration timeout) {
  auto group = std::make_unique<ProcessGroup>();
  if (place.size == 1) return group;
  group->place_ = place;
  group->backend_ = std::make_unique<Backend>();
  try {
    auto options = Gloo::Options::create(Milliseconds(timeout));
    options->devices.push_back(OpenDevice(place));
    group->backend_->store = OpenStore(place, timeout);
    group->backend_->gloo =
        c10::make_intrusive<Gloo>(group->backend_->store, place.rank, place.size, options);
    group->backend_->OpenNccl(place, timeout);
  } catch (const std::exception& error) {
    const std::string text = error.what();
    return absl::UnavailableError(absl::StrCat("process ", place.rank, " of ", place.size,
                                               " cannot meet the others at ", place.address, ":",
                                               place.port, ": ", text.substr(0, text.find('\n'))));
  }
  return group;
}

template <typename Start>
void ProcessGroup::Await(Start start) {
  try {
    start()->wait();
  } catch (const std::exception& error) {
    const std::string text = error.what();
    throw ProcessLost(absl::StrCat("process ", rank(), " of ", size(), " lost another one: ",
                                   text.substr(0, text.find('\n')), "; --resume goes on"));
  }
}

void ProcessGroup::Sum(const torch::Tensor& tensor) {
  if (backend_ == nullptr) return;
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> list = {tensor};
  Await([&] { return backend_->On(tensor, [&](auto& group) { return group.allreduce(list); }); });
}

void ProcessGroup::Mean(const std::vector<torch::Tensor>& tensors) {
  if (backend_ == nullptr || tensors.empty()) return;
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> flat;
  for (const torch::Tensor& tensor : tensors) flat.push_back(tensor.reshape({-1}));
  const torch::Tensor all = torch::cat(flat);
  Sum(all);
  all.div_(size());
  int64_t offset = 0;
  for (const torch::Tensor& tensor : tensors) {
    tensor.copy_(all.narrow(0, offset, tensor.numel()).view(tensor.sizes()));
    offset += tensor.numel();
  }
}

void ProcessGroup::Broadcast(const std::vector<torch::Tensor>& tensors) {
  if (backend_ == nullptr) return;
  torch::NoGradGuard no_grad;
  for (const torch::Tensor& tensor : tensors) {
    std::vector<torch::Tensor> list = {tensor.contiguous()};
    Await([&] { return backend_->On(tensor, [&](auto& group) { return group.broadcast(list); }); });
    tensor.copy_(list[0]);
  }
}

torch::Tensor ProcessGroup::Gather(const torch::Tensor& own) {
  return backend_ == nullptr ? own : GatherFunction::apply(own, this);
}

}  // namespace slotmatch
