// peer_libtorch NAME FOLDER: the workloads by libtorch, PyTorch without Python: torch::autograd::grad with
// create_graph, functional forwards. The same programs as peer_torch.py.
#include <torch/torch.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "peer.h"
#include "timing.h"

namespace {

using torch::Tensor;
using Tensors = std::vector<Tensor>;
namespace nn = torch::nn::functional;

Tensor read(const PeerArguments &args, const char *name, std::vector<int64_t> shape) {
    size_t count = 1;
    for (int64_t n : shape)
        count *= static_cast<size_t>(n);
    float *values = peer_read(&args, name, count);
    return torch::from_blob(values, shape, [](void *p) { std::free(p); });
}

Tensors read_weights(const PeerArguments &args, const std::vector<std::vector<int64_t>> &shapes) {
    int64_t count = 0, at = 0;
    for (const auto &shape : shapes)
        count += torch::zeros(shape).numel();
    Tensor flat = read(args, "weights", {count});
    Tensors weights;
    for (const auto &shape : shapes) {
        int64_t n = torch::zeros(shape).numel();
        weights.push_back(flat.slice(0, at, at + n).view(shape).clone().requires_grad_());
        at += n;
    }
    return weights;
}

std::vector<std::vector<int64_t>> mlp_shapes(const std::vector<int64_t> &sizes) {
    std::vector<std::vector<int64_t>> shapes;
    for (size_t i = 0; i + 1 < sizes.size(); i++) {
        shapes.push_back({sizes[i + 1], sizes[i]});
        shapes.push_back({sizes[i + 1]});
    }
    return shapes;
}

Tensor mlp(const Tensors &w, Tensor x) {
    for (size_t i = 0; i < w.size(); i += 2) {
        x = nn::linear(x, w[i], w[i + 1]);
        if (i + 2 < w.size()) x = torch::relu(x);
    }
    return x;
}

Tensors gradients(const Tensor &loss, const Tensors &w) {
    return torch::autograd::grad({loss}, w, {}, /*retain_graph=*/true, /*create_graph=*/true);
}

bool agrees(const PeerArguments &args, const char *name, const Tensors &params) {
    Tensors flat;
    for (const Tensor &p : params)
        flat.push_back(p.grad().reshape({-1}));
    Tensor all = torch::cat(flat).contiguous();
    return peer_agrees(&args, name, all.data_ptr<float>(), static_cast<size_t>(all.numel()));
}

bool call(void *state) {
    (*static_cast<std::function<void()> *>(state))();
    return true;
}

bool measure(const PeerArguments &args, size_t tasks, std::function<void()> iterate) {
    return time_and_print(args.name, "libtorch", tasks, args.repeat, call, &iterate);
}

// A meta-batch after the other; data are x, y, xq, yq of all tasks.
template <class Net, class Loss>
bool maml(const PeerArguments &args, const Tensors &w, const Tensors &data, int64_t batch,
          double inner_lr, size_t told_per, Net net, Loss loss) {
    torch::optim::Adam outer(w, torch::optim::AdamOptions(0.001));
    int64_t next = 0;
    auto gradient = [&] {
        outer.zero_grad();
        for (int64_t task = 0; task < batch; task++) {
            int64_t i = next;
            next = (i + 1) % data[0].size(0);
            Tensors fast = w;
            for (size_t k = 0; k < args.number; k++) {
                Tensors grads = gradients(loss(net(fast, data[0][i]), data[1][i]), fast);
                for (size_t j = 0; j < fast.size(); j++)
                    fast[j] = fast[j] - inner_lr * grads[j];
            }
            (loss(net(fast, data[2][i]), data[3][i]) / batch).backward();
        }
    };
    gradient();
    return agrees(args, "grad", w) && measure(args, told_per, [&] {
               gradient();
               outer.step();
           });
}

bool maml_sine(const PeerArguments &args) {
    constexpr int64_t batch = 25, pool = 16 * batch, shots = 10;
    Tensors w = read_weights(args, mlp_shapes({1, 40, 40, 1})), data;
    for (const char *name : {"x", "y", "xq", "yq"})
        data.push_back(read(args, name, {pool, shots, 1}));
    return maml(args, w, data, batch, 0.01, 0, mlp,
                [](const Tensor &p, const Tensor &y) { return torch::mse_loss(p, y); });
}

Tensor omniglot_net(const Tensors &w, Tensor x) {
    for (size_t i = 0; i < 12; i += 4) {
        x = torch::conv2d(x, w[i], w[i + 1]);
        x = torch::batch_norm(x, w[i + 2], w[i + 3], {}, {}, true, 0.1, 1e-5, false);
        x = torch::max_pool2d(torch::relu(x), 2);
    }
    return nn::linear(x.flatten(1), w[12], w[13]);
}

bool omniglot(const PeerArguments &args) {
    constexpr int64_t batch = 8;
    std::vector<std::vector<int64_t>> shapes;
    for (int64_t inputs : {1, 64, 64})
        for (const auto &shape :
             std::vector<std::vector<int64_t>>{{64, inputs, 3, 3}, {64}, {64}, {64}})
            shapes.push_back(shape);
    shapes.push_back({5, 64});
    shapes.push_back({5});
    Tensors w = read_weights(args, shapes);
    Tensors data = {
        read(args, "x", {batch, 5, 1, 28, 28}), read(args, "y", {batch, 5}).to(torch::kLong),
        read(args, "xq", {batch, 75, 1, 28, 28}), read(args, "yq", {batch, 75}).to(torch::kLong)};
    return maml(args, w, data, batch, 0.1, batch, omniglot_net,
                [](const Tensor &p, const Tensor &y) { return torch::cross_entropy_loss(p, y); });
}

bool unroll(const PeerArguments &args) {
    const auto steps = static_cast<int64_t>(args.number);
    constexpr double beta1 = 0.9, beta2 = 0.999, eps = 1e-4;
    Tensors w = read_weights(args, mlp_shapes({64, 256, 256, 10}));
    Tensor x = read(args, "x", {steps + 1, 64, 64});
    Tensor y = read(args, "y", {steps + 1, 64}).to(torch::kLong);
    Tensor lr = torch::full({}, 1e-3).requires_grad_();
    Tensors trained = w;
    trained.push_back(lr);
    torch::optim::Adam outer(trained, torch::optim::AdamOptions(1e-5));
    auto gradient = [&] {
        outer.zero_grad();
        Tensors fast = w, first, second;
        for (const Tensor &p : w) {
            first.push_back(torch::zeros_like(p));
            second.push_back(torch::zeros_like(p));
        }
        for (int64_t t = 0; t < steps; t++) {
            Tensors grads = gradients(torch::cross_entropy_loss(mlp(fast, x[t]), y[t]), fast);
            const double all1 = 1 - std::pow(beta1, static_cast<double>(t + 1));
            const double all2 = 1 - std::pow(beta2, static_cast<double>(t + 1));
            for (size_t j = 0; j < fast.size(); j++) {
                first[j] = beta1 * first[j] + (1 - beta1) * grads[j];
                second[j] = beta2 * second[j] + (1 - beta2) * grads[j] * grads[j];
                Tensor mask = second[j] == 0;
                second[j].register_hook([mask](const Tensor &g) {
                    return torch::where(mask, torch::zeros_like(g), g);
                });
                Tensor bottom = second[j].sqrt() / std::sqrt(all2) + eps;
                fast[j] = fast[j] - lr / all1 * first[j] / bottom;
            }
        }
        torch::cross_entropy_loss(mlp(fast, x[steps]), y[steps]).backward();
    };
    gradient();
    return agrees(args, "grad", w) && agrees(args, "lr_grad", {lr}) && measure(args, 0, [&] {
               gradient();
               outer.step();
           });
}

bool mlp_step(const PeerArguments &args) {
    constexpr int64_t pool = 8;
    Tensors w = read_weights(args, mlp_shapes({784, 512, 512, 10}));
    Tensor x = read(args, "x", {pool, 128, 784}), y = read(args, "y", {pool, 128}).to(torch::kLong);
    torch::optim::SGD sgd(w, torch::optim::SGDOptions(0.01));
    int64_t next = 0;
    auto gradient = [&] {
        sgd.zero_grad();
        torch::cross_entropy_loss(mlp(w, x[next]), y[next]).backward();
        next = (next + 1) % pool;
    };
    gradient();
    return agrees(args, "grad", w) && measure(args, 0, [&] {
               gradient();
               sgd.step();
           });
}

} // namespace

int main(int argc, char **argv) {
    PeerArguments args;
    if (!peer_arguments(&args, argc, argv)) return 2;
    torch::set_num_threads(1);
    if (peer_is(&args, "maml-sine-")) return maml_sine(args) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (peer_is(&args, "omniglot-")) return omniglot(args) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (peer_is(&args, "unroll-")) return unroll(args) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (peer_is(&args, "mlp-step")) return mlp_step(args) ? EXIT_SUCCESS : EXIT_FAILURE;
    std::fprintf(stderr, "peer_libtorch: not written for %s\n", args.name);
    return 2;
}
