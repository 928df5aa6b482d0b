"""Small random towers in the containers that people have, and their tokens by the makers' own code.

    python families.py FOLDER

Needs torch, timm, open_clip_torch, transformers and safetensors. Each folder holds weights, the
configuration beside them where their maker writes one, and `expected.safetensors`: `rgb` (uint8 as
float32) [2, R, R, 3], `ln2` and `block` [2, blocks, width], the class token or the mean over patches of the
second normalisation and of the block's output, and `embedding` [2, E] where there is one.
"""
import copy, json, os, sys
import torch, timm, open_clip, transformers
import numpy as np
from safetensors.torch import save_file
from timm.layers import SwiGLUPacked
from timm.models.vision_transformer import VisionTransformer
from functools import partial

out = sys.argv[1]
torch.manual_seed(7)
OPENAI = ([.48145466, .4578275, .40821073], [.26862954, .26130258, .27577711])
HALF = ([.5] * 3, [.5] * 3)
IMAGENET = ([.485, .456, .406], [.229, .224, .225])


def shake(module):
    """Weights that make every part matter, exact in half precision."""
    with torch.no_grad():
        for name, p in module.named_parameters():
            norm = p.ndim == 1 and name.endswith("weight")
            scale = .25 if p.ndim > 1 else .3
            p.copy_((torch.randn_like(p) * scale + (1 if norm else 0)).half().float())
    return module.eval()


def pixels(rgb, norm):
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in norm)
    return (rgb.permute(0, 3, 1, 2) / 255 - mean) / std


def write(name, files, run, size, norm, before, mean, embed=None):
    """`run` maps pixels to (ln2, block) lists of [2, S, W]; `before` tokens precede the patches."""
    os.makedirs(f"{out}/{name}", exist_ok=True)
    rgb = torch.randint(0, 256, (2, size, size, 3)).float()
    with torch.no_grad():
        x = pixels(rgb, norm)
        ln2, block = run(x)
        pool = (lambda t: t[:, before:].mean(1)) if mean else (lambda t: t[:, 0])
        e = {"rgb": rgb, "ln2": torch.stack([pool(t) for t in ln2], 1),
             "block": torch.stack([pool(t) for t in block], 1)}
        if embed is not None:
            e["embedding"] = embed(x)
    save_file({k: v.contiguous() for k, v in e.items()}, f"{out}/{name}/expected.safetensors")
    for file, value in files.items():
        path = f"{out}/{name}/{file}"
        if file.endswith(".json"):
            json.dump(value, open(path, "w"))
        elif file.endswith(".safetensors"):
            save_file({k: v.detach().clone().contiguous() for k, v in value.items()}, path, {"format": "pt"})
        else:
            torch.save(value, path)


def hooked(ln2s, blocks, forward):
    def run(x):
        a, b, handles = [], [], []
        for layer in ln2s:
            handles.append(layer.register_forward_hook(lambda m, i, o: a.append(o)))
        for layer in blocks:
            handles.append(layer.register_forward_hook(
                lambda m, i, o: b.append(o[0] if isinstance(o, tuple) else o)))
        forward(x)
        for h in handles:
            h.remove()
        return a, b
    return run


half = lambda d, t=torch.float16: {k: v.to(t) if v.is_floating_point() else v for k, v in d.items()}

# Hugging Face
def hf_clip(act, heads, **more):
    v = transformers.CLIPVisionConfig(hidden_size=64, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=heads, image_size=12, patch_size=4, hidden_act=act, projection_dim=16, **more)
    t = transformers.CLIPTextConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=1, vocab_size=10, max_position_embeddings=5)
    c = transformers.CLIPConfig(text_config=t.to_dict(), vision_config=v.to_dict(), projection_dim=16)
    return shake(transformers.CLIPModel(c))

def hf(name, model, vision, norm, before, mean, files, embed=None):
    layers = vision.encoder.layers
    write(name, files, hooked([l.layer_norm2 for l in layers], layers, lambda x: vision(pixel_values=x)),
          12, norm, before, mean, embed)

processor = lambda norm: {"image_mean": norm[0], "image_std": norm[1], "do_normalize": True}
m = hf_clip("quick_gelu", 1)
feats = lambda m: (lambda x: m.visual_projection(m.vision_model(pixel_values=x)[1]))
hf("hf_quick_gelu", m, m.vision_model, OPENAI, 1, False,
   {"model.safetensors": half(m.state_dict()), "config.json": m.config.to_dict(),
    "preprocessor_config.json": processor(OPENAI)}, feats(m))
m = hf_clip("gelu", 2, layer_norm_eps=1e-4)
sd = m.state_dict(); names = list(sd); n = len(names) // 2
index = {"metadata": {}, "weight_map": {k: f"model-0000{1 + (i >= n)}-of-00002.safetensors" for i, k in enumerate(names)}}
hf("hf_gelu_heads_of_32_shards", m, m.vision_model, HALF, 1, False,
   {"model-00001-of-00002.safetensors": half({k: sd[k] for k in names[:n]}),
    "model-00002-of-00002.safetensors": half({k: sd[k] for k in names[n:]}),
    "model.safetensors.index.json": index, "config.json": m.config.to_dict(),
    "preprocessor_config.json": processor(HALF)}, feats(m))
m = shake(transformers.CLIPVisionModel(transformers.CLIPVisionConfig(hidden_size=64, intermediate_size=48,
    num_hidden_layers=2, num_attention_heads=1, image_size=12, patch_size=4, hidden_act="gelu")))
hf("hf_tower", m, getattr(m, "vision_model", m), OPENAI, 1, False,
   {"model.safetensors": half(m.state_dict()), "config.json": m.config.to_dict(),
    "preprocessor_config.json": processor(OPENAI)})
v = transformers.SiglipVisionConfig(hidden_size=64, intermediate_size=48, num_hidden_layers=2,
    num_attention_heads=2, image_size=12, patch_size=4)
m = shake(transformers.SiglipVisionModel(v))
m.load_state_dict({k: v.to(torch.bfloat16).float() for k, v in m.state_dict().items()})
vision = getattr(m, "vision_model", m)
hf("hf_siglip", m, vision, HALF, 0, True,
   {"pytorch_model.bin": {k: v.to(torch.bfloat16) for k, v in m.state_dict().items()} , "config.json": m.config.to_dict(),
    "preprocessor_config.json": processor(HALF)}, lambda x: vision(pixel_values=x).pooler_output)

# open_clip
def oc(quick, **vision):
    cfg = dict(layers=2, width=64, patch_size=4, image_size=12, mlp_ratio=.75) | vision
    t = dict(context_length=5, vocab_size=10, width=16, heads=1, layers=1)
    kind = open_clip.CustomTextCLIP if "timm_model_name" in vision else open_clip.CLIP
    m = shake(kind(embed_dim=16, vision_cfg=cfg, text_cfg=t, quick_gelu=quick))
    conf = {"embed_dim": 16, "vision_cfg": vision and {**cfg} or cfg, "text_cfg": t}
    return m, conf | ({"quick_gelu": True} if quick else {})

def open_clip_case(name, quick, norm, files, **vision):
    m, conf = oc(quick, **vision)
    blocks = m.visual.transformer.resblocks
    full = {"model_cfg": conf, "preprocess_cfg": {"mean": norm[0], "std": norm[1]}}
    write(name, files(m.state_dict(), full), hooked([b.ln_2 for b in blocks], blocks, m.visual), 12, norm, 1, False,
          lambda x: m.encode_image(x))

open_clip_case("open_clip_gelu_heads_of_32", False, HALF, lambda sd, c: {
    "open_clip_model.safetensors": half(sd), "open_clip_config.json": c}, head_width=32)
open_clip_case("open_clip_quick_gelu_custom_text", True, OPENAI, lambda sd, c: {
    "open_clip_pytorch_model.bin": half(sd), "open_clip_config.json": c})
open_clip_case("open_clip_epoch", False, OPENAI, lambda sd, c: {
    "epoch_1.pt": {"epoch": 1, "name": "run", "state_dict": {f"module.{k}": v for k, v in half(sd).items()},
                   "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": .1}]}},
    "open_clip_config.json": c}, ls_init_value=.5)

# timm
def timm_tower(**more):
    args = dict(img_size=12, patch_size=4, embed_dim=64, depth=2, num_heads=1, mlp_ratio=.75, num_classes=5)
    return shake(VisionTransformer(**(args | more)))

def timm_case(name, norm, files, mean=False, project=False, **more):
    m = timm_tower(**more)
    if project:
        m.head.bias = None
    embed = lambda x: m.head(m.forward_features(x)[:, 0]) if project else m.forward_features(x)[:, 0]
    write(name, files(m.state_dict()), hooked([b.norm2 for b in m.blocks], m.blocks, m.forward_features),
          more.get("img_size", 12), norm, m.num_prefix_tokens, mean, None if mean else embed)

conf = lambda arch, norm, **args: {"architecture": arch, "num_classes": 5, "pretrained_cfg": {"mean": norm[0], "std": norm[1]}, **({"model_args": args} if args else {})}
timm_case("timm_augreg", HALF, lambda sd: {"model.safetensors": half(sd), "config.json": conf("vit_base_patch16_224", HALF)})
timm_case("timm_clip_laion", HALF, lambda sd: {"model.safetensors": half(sd), "config.json": conf("vit_huge_patch14_clip_224.laion2b", HALF, num_heads=4)},
          project=True, pre_norm=True, norm_layer=partial(torch.nn.LayerNorm, eps=1e-5), num_heads=4)
timm_case("timm_dinov2_registers", IMAGENET, lambda sd: {"pytorch_model.bin": half(sd, torch.float64), "config.json": conf("vit_small_patch14_reg4_dinov2", IMAGENET)},
          init_values=.5, reg_tokens=4, no_embed_class=True, img_size=16)
timm_case("timm_gap_registers", HALF, lambda sd: {"model.safetensors": half(sd), "config.json": conf("vit_little_patch16_reg4_gap_256", HALF)},
          mean=True, class_token=False, reg_tokens=4, no_embed_class=True, global_pool="avg", img_size=16)

# Meta's names: positions of class and patches, then registers between
m = timm_tower(init_values=.5, img_size=16)
reg = (torch.randn(1, 4, 64) * .25).half().float()
def meta(x):
    t = m.patch_embed(x)
    t = torch.cat([m.cls_token.expand(len(x), -1, -1), t], 1) + m.pos_embed
    t = torch.cat([t[:, :1], reg.expand(len(x), -1, -1), t[:, 1:]], 1)
    return m.norm(m.blocks(t))
sd = {k: v for k, v in m.state_dict().items() if not k.startswith("head")} | {"register_tokens": reg, "mask_token": torch.zeros(1, 64)}
write("meta_dinov2_registers", {"dinov2.pth": half(sd)}, hooked([b.norm2 for b in m.blocks], m.blocks, meta), 16,
      IMAGENET, 5, False, lambda x: meta(x)[:, 0])

# DeiT's second token has a position of its own
m = timm_tower(img_size=12)
dist = (torch.randn(1, 1, 64) * .25).half().float()
pos = (torch.randn(1, 11, 64) * .25).half().float()
def deit(x):
    t = torch.cat([m.cls_token.expand(len(x), -1, -1), dist.expand(len(x), -1, -1), m.patch_embed(x)], 1) + pos
    return m.norm(m.blocks(t))
sd = m.state_dict() | {"dist_token": dist, "pos_embed": pos, "head_dist.weight": torch.zeros(5, 64), "head_dist.bias": torch.zeros(5)}
write("deit_distilled", {"deit.pth": {"model": half(sd)}}, hooked([b.norm2 for b in m.blocks], m.blocks, deit), 12,
      IMAGENET, 2, False, lambda x: deit(x)[:, 0])

# SigLIP of timm in open_clip's file
m = timm_tower(class_token=False, global_pool="map", num_classes=0)
blocks = m.blocks
sd = {f"visual.trunk.{k}": v for k, v in m.state_dict().items()} | {"text.x": torch.zeros(1), "logit_scale": torch.tensor(1.), "logit_bias": torch.tensor(1.)}
write("open_clip_siglip", {"open_clip_model.safetensors": half(sd), "open_clip_config.json": {
    "model_cfg": {"embed_dim": 16, "custom_text": True, "vision_cfg": {"image_size": 12, "timm_model_name": "vit_base_patch16_siglip_224", "timm_pool": "map", "timm_proj": "none"}, "text_cfg": {}},
    "preprocess_cfg": {"mean": HALF[0], "std": HALF[1]}}},
    hooked([b.norm2 for b in blocks], blocks, m.forward_features), 12, HALF, 0, True, m)
# a plain ViT of timm in open_clip's file, with its projection
m = timm_tower(num_classes=0)
proj = (torch.randn(16, 64) * .25).half().float()
sd = {f"visual.trunk.{k}": v for k, v in m.state_dict().items()} | {"visual.head.proj.weight": proj, "text.x": torch.zeros(1)}
write("open_clip_trunk_projection", {"open_clip_model.safetensors": half(sd), "open_clip_config.json": {
    "model_cfg": {"embed_dim": 16, "custom_text": True, "vision_cfg": {"image_size": 12, "timm_model_name": "vit_base_patch16_224", "timm_proj": "linear", "timm_pool": ""}, "text_cfg": {}},
    "preprocess_cfg": {"mean": OPENAI[0], "std": OPENAI[1]}}},
    hooked([b.norm2 for b in m.blocks], m.blocks, m.forward_features), 12, OPENAI, 1, False,
    lambda x: m.forward_features(x)[:, 0] @ proj.T)

# Hugging Face's plain ViT, below the name of what it classifies with, and DINOv2 with registers
small = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, patch_size=4)
def hf_vit(name, m, tower, norm, before, layers, second, size):
    write(name, {"preprocessor_config.json": processor(norm)},
          hooked([second(l) for l in layers], layers, lambda x: tower(pixel_values=x)), size, norm, before, False,
          lambda x: tower(pixel_values=x).last_hidden_state[:, 0])
    copy.deepcopy(m).half().save_pretrained(f"{out}/{name}")  # under other names than it has in memory
m = shake(transformers.ViTForImageClassification(transformers.ViTConfig(**small, intermediate_size=48, image_size=12)))
hf_vit("hf_vit", m, m.vit, HALF, 1, m.vit.layers, lambda l: l.layernorm_after, 12)
m = shake(transformers.Dinov2WithRegistersModel(transformers.Dinov2WithRegistersConfig(**small, mlp_ratio=1, image_size=16)))
hf_vit("hf_dinov2_registers", m, m, IMAGENET, 5, m.encoder.layer, lambda l: l.norm2, 16)

# SigLIP under timm's own names; its head is of no use
m = timm_tower(class_token=False, global_pool="map", num_heads=2)
pooled = lambda x: m.forward_head(m.forward_features(x), pre_logits=True)
write("timm_siglip", {"model.safetensors": half(m.state_dict()), "config.json": conf("vit_base_patch16_siglip_224", HALF, num_heads=2)},
      hooked([b.norm2 for b in m.blocks], m.blocks, m.forward_features), 12, HALF, 0, True, pooled)

# DINOv2's giant, whose MLPs are gated: timm's names, Meta's, Hugging Face's
giant = dict(init_values=.5, mlp_layer=SwiGLUPacked, act_layer=torch.nn.SiLU, mlp_ratio=1.5, img_size=16)
timm_case("timm_dinov2_giant", IMAGENET, lambda sd: {"model.safetensors": half(sd), "config.json": conf("vit_giant_patch14_dinov2", IMAGENET)}, **giant)
m = timm_tower(**giant)
sd = {k.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3"): v for k, v in m.state_dict().items() if not k.startswith("head")}
write("meta_dinov2_giant", {"dinov2.pth": half(sd | {"mask_token": torch.zeros(1, 64)})},
      hooked([b.norm2 for b in m.blocks], m.blocks, m.forward_features), 16, IMAGENET, 1, False,
      lambda x: m.forward_features(x)[:, 0])
m = shake(transformers.Dinov2Model(transformers.Dinov2Config(**small, mlp_ratio=2, image_size=16, use_swiglu_ffn=True)))
hf_vit("hf_dinov2_giant", m, m, IMAGENET, 1, m.encoder.layer, lambda l: l.norm2, 16)
