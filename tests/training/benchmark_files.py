"""Small files in the official forms of benchmarks, with invented numbers."""

import bz2
import json
import pickle
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

CELLS = [
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
    "|none~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
]
SIZES = ["8:8:8:8:8", "8:8:8:8:16", "64:8:16:24:32"]
EVALUATED = {
    "cifar10-valid": ["x-valid", "ori-test"],
    "cifar10": ["ori-test"],
    "cifar100": ["x-valid", "x-test", "ori-test"],
    "ImageNet16-120": ["x-valid", "x-test", "ori-test"],
}
SEEDS = (777, 888)


def save(path: Path, content: Any) -> None:
    path.write_bytes(bz2.compress(pickle.dumps(content, protocol=4)))


def accuracy(index: int, epochs: int, seed: int, dataset: str, test_set: str) -> float:
    """An invented accuracy."""
    number = sum(map(ord, f"{index} {epochs} {dataset} {test_set}"))
    return 10 + number % 80 + (seed - 777) / 111


def trial(index: int, epochs: int, seed: int, dataset: str, arch: str) -> dict[str, Any]:
    """The state of one ``ResultsCount`` of the package nats_bench."""
    keys = [(f"{name}@{epoch}", name) for name in EVALUATED[dataset] for epoch in range(epochs)]
    evaluated = {key: accuracy(index, epochs, seed, dataset, name) for key, name in keys}
    return {
        "name": dataset,
        "net_state_dict": None,
        "train_acc1es": OrderedDict.fromkeys(range(epochs), 50.0),
        "train_acc5es": None,
        "train_losses": OrderedDict.fromkeys(range(epochs), 1.0),
        "train_times": OrderedDict.fromkeys(range(epochs), 9.5),
        "arch_config": {"channel": 16, "num_cells": 5, "arch_str": arch, "class_num": 10},
        "params": np.float64(0.13),  # the benchmark has scalars of NumPy, too
        "flop": 15.65,
        "seed": seed,
        "epochs": epochs,
        "latency": [0.01, 0.02],
        "eval_names": EVALUATED[dataset],
        "eval_acc1es": evaluated,
        "eval_times": dict.fromkeys(evaluated, 0.5),
        "eval_losses": dict.fromkeys(evaluated, 0.4),
    }


def write_nats_bench(folder: Path, archs: list[str], schedules: tuple[str, ...]) -> Path:
    """Write a directory as NATS-Bench releases them for its fast mode."""
    folder.mkdir()
    everywhere = set(range(len(archs)))
    meta = {"meta_archs": archs, "total_archs": len(archs), "evaluated_indexes": everywhere}
    save(folder / "meta.pickle.pbz2", meta)
    for index, arch in enumerate(archs):
        record = {
            epochs: {
                "arch_index": index,
                "arch_str": arch,
                "all_results": {
                    (dataset, seed): trial(index, int(epochs), seed, dataset, arch)
                    for dataset in EVALUATED
                    for seed in SEEDS
                },
                "dataset_seed": {dataset: list(SEEDS) for dataset in EVALUATED},
                "clear_net_done": True,
            }
            for epochs in schedules
        }
        save(folder / f"{index:06d}.pickle.pbz2", record)
    return folder


def write_nas_robbench(folder: Path) -> Path:
    """Write the results of NAS-RobBench-201 and their ``meta.json``."""
    isomorphs = ["0", "1", "0"]
    ids = {
        str(index): {"nb201-string": cell, "isomorph": isomorph}
        for index, (cell, isomorph) in enumerate(zip(CELLS, isomorphs, strict=True))
    }
    (folder / "meta.json").write_text(json.dumps({"ids": ids}))
    results = {
        dataset: {
            id_: {
                "val_acc": {"0": 0.7, "1": 0.8, "2": 0.9, "threeseed": 0.81},
                "val_fgsm_3.0_acc": {"1": 0.5, "2": 0.6},
                "val_pgd_8.0_acc": {"threeseed": 0.25},
                "autoattack": 0.2 + int(id_) / 10,
                "train_time": {"1": 3600.0},
            }
            for id_ in ("0", "1")
        }
        for dataset in ("cifar10", "imagenet")
    }
    path = folder / "NAS-RobBench-201_all.json"
    path.write_text(json.dumps(results))
    return path


GENOTYPES = [
    "Genotype(normal=[('skip_connect', 0), ('sep_conv_3x3', 1), ('dil_conv_5x5', 1), "
    "('avg_pool_3x3', 2), ('dil_conv_5x5', 2), ('sep_conv_3x3', 3), ('dil_conv_3x3', 0), "
    "('dil_conv_3x3', 1)], normal_concat=[2, 3, 4, 5], reduce=[('dil_conv_3x3', 0), "
    "('skip_connect', 1), ('max_pool_3x3', 0), ('dil_conv_5x5', 1), ('dil_conv_3x3', 1), "
    "('avg_pool_3x3', 2), ('sep_conv_3x3', 0), ('sep_conv_3x3', 2)], reduce_concat=[2, 3, 4, 5])",
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
    "('dil_conv_3x3', 4)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 3), ('max_pool_3x3', 1)], "
    "reduce_concat=[2, 3, 4, 5])",
]
DARTS = "NetworkSelectorDatasetInfo:darts:"


def configuration(genotype: str) -> dict[str, Any]:
    """The hyper-parameters of a run of NAS-Bench-301, in the names of its files."""
    config: dict[str, Any] = {}
    for kind in ("normal", "reduce"):
        listed = genotype.split(f"{kind}=[")[1].split("]")[0]
        edges = [(op, int(source)) for op, source in re.findall(r"'(\w+)', (\d)", listed)]
        first = 0
        for node in range(2, 6):
            pair = edges[2 * node - 4 : 2 * node - 2]
            for op, source in pair:
                config[f"{DARTS}edge_{kind}_{first + source}"] = op
            if node > 2:
                inputs = "_".join(str(source) for source in sorted(source for _, source in pair))
                config[f"{DARTS}inputs_node_{kind}_{node}"] = inputs
            first += node
    return config | {
        "CreateImageDataLoader:batch_size": 96,
        "ImageAugmentation:autoaugment": "False",
        f"{DARTS}auxiliary": "True",
        f"{DARTS}init_channels": 32,
        f"{DARTS}layers": 8,
        "NetworkSelectorDatasetInfo:network": "darts",
        "SimpleLearningrateSchedulerSelector:cosine_annealing:T_max": 98,
    }


def write_nasbench301(folder: Path) -> Path:
    """Write runs of two optimizers."""
    for number, genotype in enumerate(GENOTYPES):
        result = {
            "optimized_hyperparamater_config": configuration(genotype),
            "budget": 98.0,
            "info": [{"val_accuracy": 91.5 + number, "train_accuracy_final": 99.0}],
            "learning_curves": {"Train/val_accuracy": [40.0, 91.5 + number]},
            "runtime": 7200.5,
            "test_accuracy": 90.25 + number,
        }
        path = folder / ("rs", "darts")[number] / f"results_{number}.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(result))
    return folder


def write_suite_zero(path: Path) -> Path:
    """Write a file of NAS-Bench-Suite-Zero."""
    keys = ["(4, 0, 3, 1, 4, 3)", "(2, 2, 0, 4, 2, 0)"]
    content = {
        dataset: {
            key: {
                "id": place,
                "synflow": {"score": 44.5 + place, "time": 0.1},
                "grasp": {"score": None, "time": 0.1},
                "val_accuracy": 80.0 + place + rise,
            }
            for place, key in enumerate(keys)
        }
        for rise, dataset in ((0, "cifar10"), (-40, "ImageNet16-120"))
    }
    path.write_text(json.dumps(content))
    return path


def write_hw_nas_bench(path: Path) -> Path:
    """Write the pickle of HW-NAS-Bench."""
    part = {
        "config": [{"arch_str": cell, "num_classes": 10} for cell in CELLS],
        "edgegpu_latency": [5.8, 6.5, 2.4],
        "edgetpu_latency": [0.9, -1, -1],
        "fpga_energy": [18.0, np.float64(37.2), 10.8],
        "eyeriss_arithmetic_intensity": [6.3, 20.9, 4.6],
        "average_hw_metric": [1.0, 2.0, 3.0],
    }
    content = {"nasbench201": {"cifar10": part, "cifar100": part}, "fbnet": {"cifar100": {}}}
    path.write_bytes(pickle.dumps(content))
    return path


TIMM = {
    "results-imagenet.csv": """\
model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation
giant_patch14_560.m30m_ft_in22k_in1k,560,89.111,10.889,98.900,1.100,"1,014.45",1.000,bicubic
resnet18.a1_in1k,288,72.500,27.500,90.100,9.900,11.69,1.000,bicubic
resnet18.a1_in1k,224,71.250,28.750,89.900,10.100,11.69,0.950,bicubic
resnet18.fb_swsl_ig1b_ft_in1k,224,73.750,26.250,91.000,9.000,11.69,0.875,bilinear
tf_mobilenetv3_small_100.in1k,224,67.500,32.500,87.500,12.500,2.54,0.875,bilinear
""",
    "results-imagenet-a.csv": """\
model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation,top1_diff,rank_diff
giant_patch14_560.m30m_ft_in22k_in1k,560,88.500,11.500,97.000,3.000,"1,014.45",1.000,bicubic,-0.6,0
resnet18.a1_in1k,224,1.250,98.750,10.000,90.000,11.69,0.950,bicubic,-70.0,0
""",
    "model_metadata-in1k.csv": """\
model,pretrain
resnet18,in1k
tf_mobilenetv3_small_100.in1k,in1k-dist
""",
    "benchmark-infer-amp-nchw-pt113-cu117-rtx4090.csv": """\
model,infer_samples_per_sec,infer_step_time,infer_batch_size,infer_img_size,infer_gmacs,infer_macts,param_count
resnet18,1000.0,51.0,512,224,1.82,2.48,11.69
""",
    "benchmark-infer-amp-nchw-pt291-cu128-4090.csv": """\
model,infer_samples_per_sec,infer_step_time,infer_batch_size,infer_img_size,infer_gmacs,infer_macts,param_count
resnet18,9000.5,56.9,512,224,1.82,2.48,11.69
levit_128,12000.0,42.0,512,224,0.41,2.71,9.21
""",
    "benchmark-infer-amp-nhwc-pt240-cu124-rtx3090.csv": """\
model,infer_samples_per_sec,infer_step_time,infer_batch_size,infer_img_size,infer_gmacs,infer_macts,param_count
resnet18,4000.0,128.0,512,288,3.01,4.11,11.69
""",
    "benchmark-infer-fp32-nchw-pt240-cpu-i9_10940x-dynamo.csv": """\
model,infer_samples_per_sec,infer_step_time,infer_batch_size,infer_img_size,infer_gmacs,infer_macts,param_count
resnet18,300.0,3.3,1,224,1.82,2.48,11.69
""",
    "benchmark-train-amp-nchw-pt112-cu113-rtx3090.csv": """\
model,train_samples_per_sec
resnet18,9.0
""",
}


def write_timm(folder: Path) -> Path:
    """Write a folder like ``results/`` of timm's repository."""
    folder.mkdir(exist_ok=True)
    for name, content in TIMM.items():
        (folder / name).write_text(content)
    return folder
