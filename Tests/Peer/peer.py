"""The network of `Sources/GatedSCNN` and its losses in PyTorch, as the baseline of `launch/compare`.

Parameters have the names and shapes of gscnn's model files, so that safetensors can be exchanged in both directions.
Needs torch and timm.
"""
import timm
import torch
import torch.nn.functional as F
from torch import nn


def interpolate(x, like, align_corners):
    return F.interpolate(x, tuple(like.shape[-2:]), mode="bilinear", align_corners=align_corners)


def conv_bn_relu(inputs, outputs, kernel=1, dilation=1):
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2 * dilation, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class BasicBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + x)


class GatedConvolution(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels, 1, 1))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.attention = nn.Sequential(
            nn.BatchNorm2d(channels + 1), nn.Conv2d(channels + 1, channels + 1, 1), nn.ReLU(),
            nn.Conv2d(channels + 1, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())

    def forward(self, feature, gate):
        attention = self.attention(torch.cat((feature, gate), 1))
        return F.conv2d(feature * (1 + attention), self.weight)


class ShapeStream(nn.Module):
    def __init__(self):
        super().__init__()
        for stage, channels in ((2, 512), (3, 1024), (4, 2048)):
            setattr(self, f"res{stage}_conv", nn.Conv2d(channels, 1, 1))
        for stage, channels in ((1, 64), (2, 32), (3, 16)):
            setattr(self, f"res{stage}", BasicBlock(channels))
            setattr(self, f"res{stage}_pre", nn.Conv2d(channels, channels // 2, 1))
            setattr(self, f"gate{stage}", GatedConvolution(channels // 2))
        self.gate = nn.Conv2d(8, 1, 1, bias=False)
        self.fuse = nn.Conv2d(2, 1, 1, bias=False)

    def forward(self, stem, stages, canny):
        shape = interpolate(stem, canny, True)
        for stage, features in enumerate(stages, 1):
            gate = interpolate(getattr(self, f"res{stage + 1}_conv")(features), canny, True)
            shape = getattr(self, f"res{stage}_pre")(getattr(self, f"res{stage}")(shape))
            shape = getattr(self, f"gate{stage}")(shape, gate)
        edge = torch.sigmoid(self.gate(shape))
        return edge, torch.sigmoid(self.fuse(torch.cat((edge, canny), 1)))


class ImagePooling(nn.Sequential):
    """Global average pooling, the last branch of ASPP."""

    def __init__(self, inputs, outputs):
        super().__init__(nn.AdaptiveAvgPool2d(1), *conv_bn_relu(inputs, outputs))

    def forward(self, x):
        return interpolate(super().forward(x), x, False)


class FeatureFusion(nn.Module):
    """Atrous spatial pyramid pooling (ASPP) over the backbone's features and the shape stream's attention."""

    def __init__(self):
        super().__init__()
        atrous = [conv_bn_relu(2048, 256, 3, rate) for rate in (12, 24, 36)]
        self.convs = nn.ModuleList([conv_bn_relu(2048, 256), *atrous, ImagePooling(2048, 256)])
        self.shape_conv = conv_bn_relu(1, 256)
        self.project = nn.Conv2d(6 * 256, 256, 1, bias=False)
        self.fine = nn.Conv2d(256, 48, 1, bias=False)

    def forward(self, low, high, attention):
        parts = torch.cat([branch(high) for branch in self.convs], 1)
        parts = torch.cat((parts, self.shape_conv(interpolate(attention, parts, True))), 1)
        return torch.cat((interpolate(self.project(parts), low, True), self.fine(low)), 1)


class RegularStream(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = timm.create_model(backbone + "d", pretrained=False, output_stride=8)

    def forward(self, x):
        backbone = self.backbone
        stem = backbone.act1(backbone.bn1(backbone.conv1(x)))
        res1 = backbone.layer1(backbone.maxpool(stem))
        res2 = backbone.layer2(res1)
        res3 = backbone.layer3(res2)
        return stem, res1, res2, res3, backbone.layer4(res3)


class GatedSCNN(nn.Module):
    def __init__(self, backbone="resnet50", classes=19):
        super().__init__()
        self.regular_stream = RegularStream(backbone)
        self.shape_stream = ShapeStream()
        self.feature_fusion = FeatureFusion()
        head = (*conv_bn_relu(304, 256, 3), *conv_bn_relu(256, 256, 3), nn.Conv2d(256, classes, 1, bias=False))
        self.seg = nn.Sequential(*head)

    def forward(self, image, canny):
        stem, res1, res2, res3, res4 = self.regular_stream(image)
        edge, attention = self.shape_stream(stem, (res2, res3, res4), canny)
        return interpolate(self.seg(self.feature_fusion(res1, res4, attention)), canny, False), edge


def semantic_loss(seg, target):
    return F.cross_entropy(seg, target, ignore_index=255)


def edge_loss(edge, target, boundary):
    """Class-balanced binary cross-entropy."""
    probability, valid = edge[:, 0], target != 255
    count = valid.sum().clamp(min=1)
    positive, negative = (boundary == 1) & valid, (boundary == 0) & valid
    weight = torch.zeros_like(boundary)
    weight[positive] = (negative.sum() / count).to(weight)
    weight[negative] = (positive.sum() / count).to(weight)
    return F.binary_cross_entropy(probability, boundary, weight, reduction="sum") / count


def task_loss(seg, edge, target, threshold=0.8):
    """Dual-task regularizer: cross-entropy where an edge is predicted."""
    predicted_edge = edge[:, 0] > threshold
    loss = F.cross_entropy(seg, target, ignore_index=255, reduction="none")
    return loss[predicted_edge].sum() / (predicted_edge & (target != 255)).sum().clamp(min=1)


def total_loss(seg, edge, target, boundary):
    semantic, edge_term = semantic_loss(seg, target), edge_loss(edge, target, boundary)
    task = task_loss(seg, edge, target)
    return semantic + 20 * edge_term + task, (semantic, edge_term, task)
