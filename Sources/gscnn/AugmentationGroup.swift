import ArgumentParser
import Cityscapes
import Training

/// How training images are changed at random.
struct RandomChangeOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: .value(
      "factors",
      "Factors by which images are resized at random: a list 0.5,1,2, a range 0.5..2, or with a step 0.5..2:0.25 (default: 0.5,1,2)."
    ), transform: ScaleFactors.init(parsing:))
  var scale = ScaleFactors.standard

  @Option(
    parsing: .unconditional,
    help: .value(
      "amounts",
      "Change the colors of each crop at random: brightness=0.4,contrast=0.4,saturation=0.4,hue=18, or some of these, each with probability 0.5 unless given as probability=0.8 (default: none)."
    ), transform: ColorDistortion.init(parsing:))
  var distort: ColorDistortion?

  @Option(
    parsing: .unconditional,
    help: .value(
      "range",
      "Blur each crop by a Gaussian with a random standard deviation in pixels, such as 0.15..1.3 (default: none)."),
    transform: BlurRange.init(parsing:))
  var blur: BlurRange?

  var options: AugmentationOptions {
    var options = AugmentationOptions()
    options.scale = scale
    options.distortion = distort
    options.blur = blur
    return options
  }
}

/// How training images are changed at random and drawn.
struct AugmentationGroup: ParsableArguments {
  @OptionGroup var changes: RandomChangeOptions

  @Option(
    in: 0...1,
    help: .value(
      "fraction",
      "Fraction of an epoch to draw class by class, with a pixel in the midst of the class in the crop, so that rare classes are seen more often."
    ))
  var classUniform = 0.0

  var options: AugmentationOptions {
    var options = changes.options
    options.classUniform = classUniform
    return options
  }
}

/// Whether training images are changed at all.
struct AugmentOption: ParsableArguments {
  @Option(
    help: .value(
      "kind", "random: scale, crop and flip at random; none: images in file order, cropped or padded, for comparisons."
    ))
  var augment = defaults.augmentation
}

struct SeedOption: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: .value(
      "number", "Random seed of weights, order, augmentation and noise; the same seed gives the same run."))
  var seed = defaults.seed
}
