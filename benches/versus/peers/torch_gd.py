"""The same iteration in PyTorch: by hand on full and packed matrices, by autograd, and on a GPU with CUDA graphs."""
import torch

from worker import Problem, agree, arguments, serve

torch.set_grad_enabled(False)
args = arguments()
problem = Problem(args)
device = torch.device(args.device)
cuda = device.type == "cuda"
# Single precision means single precision.
torch.backends.cuda.matmul.allow_tf32 = False
n, m, batch, step = problem.n, problem.m, problem.batch, float(problem.step)
A = torch.from_numpy(problem.packed).to(device)
F = torch.from_numpy(problem.full()).to(device)
y, twice = torch.from_numpy(problem.y).to(device), torch.from_numpy(problem.twice).to(device)
rows, columns = torch.from_numpy(problem.rows).to(device), torch.from_numpy(problem.columns).to(device)
U = torch.from_numpy(problem.start).to(device)


def full(U, step=step):
    e = torch.mv(F, (U @ U.T).reshape(-1)) - y[0]
    return U - step * torch.mv(F.T, e).reshape(n, n) @ U


def packed(U, step=step):
    e = torch.mv(A, twice * (U @ U.T)[rows, columns]) - y[0]
    G = torch.zeros(n, n, device=device)
    G[rows, columns] = torch.mv(A.T, e)
    return U - step * (torch.triu(G) + torch.triu(G, 1).T) @ U


def autograd(U, step=step):
    with torch.enable_grad():
        V = U.detach().requires_grad_()
        loss = 0.25 * ((torch.einsum("mij,ij->m", F.reshape(m, n, n), V @ V.T) - y[0]) ** 2).sum()
        (gradient,) = torch.autograd.grad(loss, V)
    return U - step * gradient


def full_batch(U, step=step):
    Z = torch.matmul(U, U.transpose(1, 2)).reshape(batch, n * n)
    E = Z @ F.T - y
    return U - step * torch.matmul((E @ F).reshape(batch, n, n), U)


def packed_batch(U, step=step):
    Z = torch.matmul(U, U.transpose(1, 2))[:, rows, columns] * twice
    G = torch.zeros(batch, n, n, device=device)
    G[:, rows, columns] = (Z @ A.T - y) @ A
    return U - step * torch.matmul(torch.triu(G) + torch.triu(G, 1).transpose(1, 2), U)


def done(result):
    if cuda:
        torch.cuda.synchronize()
    return result


def graph(step_of, start):
    """The iteration recorded as a CUDA graph: no launch costs from Python."""
    static = start.clone()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            static.copy_(step_of(static))
    torch.cuda.current_stream().wait_stream(stream)
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        static.copy_(step_of(static))
    return lambda: done(recorded.replay())


agree(full(U[0], 1.0).cpu(), packed(U[0], 1.0).cpu())
agree(full(U[0], 1.0).cpu(), autograd(U[0], 1.0).cpu())
programs = {
    "torch_full": lambda: done(full(U[0])),
    "torch_packed": lambda: done(packed(U[0])),
    "torch_autograd": lambda: done(autograd(U[0])),
}
if batch > 1:
    agree(full(U[0], 1.0).cpu(), full_batch(U, 1.0)[0].cpu())
    agree(packed(U[0], 1.0).cpu(), packed_batch(U, 1.0)[0].cpu())
    programs = {"torch_full_batch": lambda: done(full_batch(U)), "torch_packed_batch": lambda: done(packed_batch(U))}
if cuda and batch > 1:
    programs["torch_full_batch_graph"] = graph(full_batch, U)
    programs["torch_packed_batch_graph"] = graph(packed_batch, U)
elif cuda:
    programs["torch_full_graph"] = graph(full, U[0])
    programs["torch_packed_graph"] = graph(packed, U[0])
    try:
        compiled = torch.compile(full, dynamic=False)
        compiled(U[0])
        programs["torch_full_compiled"] = lambda: done(compiled(U[0]))
    except Exception as problem_of_compiler:  # it needs a C compiler and Triton, which a bare machine may lack
        import sys

        print(f"torch.compile is left out: {problem_of_compiler}", file=sys.stderr)
name = torch.cuda.get_device_name() if cuda else "CPU"
serve(f"PyTorch {torch.__version__}, {name}", programs, args.seconds)
