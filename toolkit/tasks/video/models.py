"""From the model section of a recipe to a built video classifier."""

from __future__ import annotations

from typing import Any

import keras

from toolkit.models import video, video_encoders
from toolkit.models.backbones import pretrained_encoder
from toolkit.tasks.video import options


def build(
    model: Any, num_classes: int, num_frames: int, frame_size: int, seed: int, motion: bool
) -> keras.Model:
    """Build the model that a section names.

    Args:
        model: the section.
        num_classes: logits of a video.
        num_frames: of a clip.
        frame_size: height and width.
        seed: of the dropouts.
        motion: begin with a regression on statistics of motion.
    """
    pretrained = getattr(model, "backbone", None) is not None
    reads = model.reads
    if reads == "auto":
        reads = "rgb" if pretrained else "both"
    return video.classifier(
        encoder(model, seed),
        num_classes=num_classes,
        num_frames=num_frames,
        frame_size=frame_size,
        reads=reads,
        dropout=model.dropout,
        seed=seed,
        name=model.type,
        standardised=not pretrained,
        motion=motion,
    )


def image_encoder(model: options.FrameNetwork) -> video.Encoder:
    """Build what turns each frame into a vector."""
    if model.backbone is None:
        return video_encoders.image_encoder(model.filters)
    return pretrained_encoder(
        model.backbone, model.weights, model.trainable, model.freeze_epochs > 0
    )


def encoder(model: Any, seed: int) -> video.Encoder:
    """Build what turns a clip into one vector."""
    if isinstance(model, options.CNNLSTM):
        return video.recurrent_encoder(
            image_encoder(model),
            model.cell,
            model.units,
            model.num_layers,
            model.bidirectional,
            model.pooling,
            model.dropout / 2,
            seed + 1,
        )
    if isinstance(model, options.CNNTransformer):
        return video.transformer_encoder(
            image_encoder(model),
            model.num_layers,
            model.num_heads,
            model.pooling,
            model.dropout / 4,
            seed + 1,
        )
    if isinstance(model, options.TemporalShiftNetwork):
        return video.mean_encoder(
            video_encoders.image_encoder(model.filters, model.share), model.pooling
        )
    if isinstance(model, options.Conv3D | options.Conv2Plus1D):
        return video_encoders.volume_encoder(model.filters, isinstance(model, options.Conv2Plus1D))
    if isinstance(model, options.ConvLSTM):
        return video_encoders.convolutional_lstm_encoder(model.filters, model.units)
    assert isinstance(model, options.VideoTransformer)
    return video_encoders.tubelet_encoder(
        model.patch_size,
        model.patch_frames,
        model.hidden_dim,
        model.num_layers,
        model.num_layers,
        model.num_heads,
        model.dropout,
        seed + 1,
    )
