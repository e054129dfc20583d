"""Layers for sequences: each one stands alone and fits into any Keras model."""

from toolkit.layers.additive_attention import AdditiveAttention
from toolkit.layers.alibi import ALiBi
from toolkit.layers.attention_pooling import AttentionPooling
from toolkit.layers.batch_normalization import BatchNormalization
from toolkit.layers.bidirectional import Bidirectional
from toolkit.layers.blocked_attention import BlockedAttention
from toolkit.layers.causal_convolution import CausalConvolution
from toolkit.layers.conformer import ConformerBlock
from toolkit.layers.conformer_convolution import ConformerConvolution
from toolkit.layers.convolution_block import ConvolutionBlock
from toolkit.layers.depthwise_convolution import DepthwiseConvolution
from toolkit.layers.distribution_parameters import DistributionParameters
from toolkit.layers.dot_attention import DotAttention
from toolkit.layers.dropout import Dropout
from toolkit.layers.feed_forward import FeedForward
from toolkit.layers.fill_gaps import FillGaps
from toolkit.layers.frame_differences import FrameDifferences
from toolkit.layers.gated_residual_network import GatedResidualNetwork
from toolkit.layers.gru import GRU, GRUCell
from toolkit.layers.interpretable_attention import InterpretableAttention
from toolkit.layers.layer_normalization import LayerNormalization
from toolkit.layers.learned_positions import LearnedPositions
from toolkit.layers.local_attention import LocalAttention
from toolkit.layers.log_mel_spectrogram import LogMelSpectrogram
from toolkit.layers.lsh_attention import LSHAttention
from toolkit.layers.lstm import LSTM, LSTMCell
from toolkit.layers.masked_pooling import MaskedPooling
from toolkit.layers.mfcc import MFCC
from toolkit.layers.motion_statistics import MotionStatistics
from toolkit.layers.multi_head_attention import MultiHeadAttention
from toolkit.layers.ngram_bag import NGramBag
from toolkit.layers.patches import Patches
from toolkit.layers.quantile_spread import QuantileSpread
from toolkit.layers.recurrent_attention import RecurrentAttention
from toolkit.layers.recurrent_stack import RecurrentStack
from toolkit.layers.relative_position_bias import RelativePositionBias
from toolkit.layers.residual import Residual
from toolkit.layers.reversible_instance_normalization import ReversibleInstanceNormalization
from toolkit.layers.rms_normalization import RMSNormalization
from toolkit.layers.rotary_positions import RotaryPositions
from toolkit.layers.simple_rnn import SimpleRNN, SimpleRNNCell
from toolkit.layers.sinusoidal_positions import SinusoidalPositions
from toolkit.layers.spec_augment import SpecAugment
from toolkit.layers.stochastic_depth import StochasticDepth
from toolkit.layers.temporal_convolution import TemporalConvolutionBlock, TemporalConvolutionStack
from toolkit.layers.temporal_shift import TemporalShift
from toolkit.layers.text_convolution import TextConvolution
from toolkit.layers.tied_cross_entropy import tied_cross_entropy
from toolkit.layers.tied_r_drop import tied_r_drop
from toolkit.layers.time_projection import TimeProjection
from toolkit.layers.token_dropout import TokenDropout
from toolkit.layers.token_embedding import TokenEmbedding
from toolkit.layers.token_recurrence import TokenRecurrence
from toolkit.layers.transformer_decoder import TransformerDecoder, TransformerDecoderLayer
from toolkit.layers.transformer_encoder import TransformerEncoder, TransformerEncoderLayer
from toolkit.layers.variable_selection import VariableSelection

__all__ = [
    "GRU",
    "LSTM",
    "MFCC",
    "ALiBi",
    "AdditiveAttention",
    "AttentionPooling",
    "BatchNormalization",
    "Bidirectional",
    "BlockedAttention",
    "CausalConvolution",
    "ConformerBlock",
    "ConformerConvolution",
    "ConvolutionBlock",
    "DepthwiseConvolution",
    "DistributionParameters",
    "DotAttention",
    "Dropout",
    "FeedForward",
    "FillGaps",
    "FrameDifferences",
    "GRUCell",
    "GatedResidualNetwork",
    "InterpretableAttention",
    "LSHAttention",
    "LSTMCell",
    "LayerNormalization",
    "LearnedPositions",
    "LocalAttention",
    "LogMelSpectrogram",
    "MaskedPooling",
    "MotionStatistics",
    "MultiHeadAttention",
    "NGramBag",
    "Patches",
    "QuantileSpread",
    "RMSNormalization",
    "RecurrentAttention",
    "RecurrentStack",
    "RelativePositionBias",
    "Residual",
    "ReversibleInstanceNormalization",
    "RotaryPositions",
    "SimpleRNN",
    "SimpleRNNCell",
    "SinusoidalPositions",
    "SpecAugment",
    "StochasticDepth",
    "TemporalConvolutionBlock",
    "TemporalConvolutionStack",
    "TemporalShift",
    "TextConvolution",
    "TimeProjection",
    "TokenDropout",
    "TokenEmbedding",
    "TokenRecurrence",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "VariableSelection",
    "tied_cross_entropy",
    "tied_r_drop",
]
