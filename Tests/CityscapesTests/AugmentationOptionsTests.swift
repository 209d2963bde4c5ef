import Cityscapes
import Foundation
import System
import Testing

@Suite("Augmentation options") struct AugmentationOptionsTests {
  @Test(
    "A text is read and written back as it was",
    arguments: ["0.5,1,2", "1", "0.75,1.3", "0.5..2", "0.1..8", "0.5..2:0.25", "0.5..1.1:0.2"])
  func scale(text: String) throws {
    let factors = try ScaleFactors(parsing: text)
    #expect(factors.description == text)
    let stored = try JSON.encode([factors])
    #expect(String(decoding: stored, as: UTF8.self) == "[\"\(text)\"]")
    #expect(try JSON.decode([ScaleFactors].self, from: stored) == [factors])
  }

  @Test("The standard is the list of the reference implementation, and numbers may be written in other ways")
  func standard() throws {
    #expect(try ScaleFactors(parsing: "0.5,1.0,2.0") == .standard)
    #expect(try ScaleFactors(parsing: ".5..2.0") == .range(low: 0.5, high: 2))
    #expect(AugmentationOptions().settings.map(\.value) == ["0.5,1,2"])
    #expect(AugmentationOptions().settings.map(\.option) == ["--scale"])
  }

  @Test(
    "Factors that cannot be used are refused with what to give instead",
    arguments: [
      ("", "a list 0.5,1,2"), ("0", "from 0.1 to 8"), ("9", "from 0.1 to 8"), ("nan", "a list"), ("1,", "a list"),
      ("1,,2", "a list"), ("-1", "a list"), ("1,1.0", "given twice"), ("0.5..", "a list"), ("..", "a list"),
      ("0.5...2", "a list"), ("2..0.5", "a list"), ("0.5..inf", "a list"), ("1..1", "for one factor give it alone: 1"),
      ("0.5..2:0", "a list"), ("0.5..2:0.25:1", "a list"), ("0.5..2:0.4", "no whole number of steps"),
      ("0.5..2:0.4", "such as 0.375"), ("0.5..2:7", "such as 1.5"), ("0.5..1..2", "a list"), ("0.5,1..2", "a list"),
    ])
  func refusedScale(text: String, remedy: String) {
    let error = #expect(throws: OptionTextError.self) { try ScaleFactors(parsing: text) }
    #expect(error?.description.contains(remedy) == true, "\(error?.description ?? "")")
    #expect(throws: (any Error).self) { try JSON.decode([ScaleFactors].self, from: Data("[\"\(text)\"]".utf8)) }
  }

  @Test(
    "Amounts of distortion are read and written back as they were",
    arguments: [
      "brightness=0.4,contrast=0.4,saturation=0.4,hue=18", "hue=128", "contrast=1", "saturation=0.25,probability=1",
    ])
  func distortion(text: String) throws {
    let distortion = try ColorDistortion(parsing: text)
    #expect(distortion.description == text)
    #expect(try JSON.decode([ColorDistortion].self, from: JSON.encode([distortion])) == [distortion])
    #expect(try ColorDistortion(parsing: "hue=18,brightness=0.40") == ColorDistortion(brightness: 0.4, hue: 18))
  }

  @Test(
    "Amounts that cannot be used are refused with what to give instead",
    arguments: [
      ("", "give amounts such as brightness=0.4"), ("0.4", "give amounts"), ("sharpness=0.4", "give amounts"),
      ("brightness", "give amounts"), ("brightness=", "brightness is from 0 to 1"), ("contrast=1.1", "from 0 to 1"),
      ("hue=129", "hue is from 0 to 128"), ("hue=nan", "hue is from 0"), ("hue=-1", "hue is from 0"),
      ("hue=1,hue=2", "hue is given twice"), ("hue=0", "nothing would be distorted"),
      ("hue=18,probability=0", "nothing would be distorted"), ("hue=18,", "give amounts"),
    ])
  func refusedDistortion(text: String, remedy: String) {
    let error = #expect(throws: OptionTextError.self) { try ColorDistortion(parsing: text) }
    #expect(error?.description.contains(remedy) == true, "\(error?.description ?? "")")
  }

  @Test("A range of blur is read and written back; one that cannot be used is refused")
  func blur() throws {
    #expect(try BlurRange(parsing: "0.15..1.3").description == "0.15..1.3")
    #expect(try BlurRange(parsing: "1..1") == BlurRange(1, 1))
    #expect(try BlurRange(parsing: "0..20").description == "0..20")
    for text in ["", "1", "1..21", "2..1", "0..0", "-1..1", "0.1...1"] {
      let error = #expect(throws: OptionTextError.self) { try BlurRange(parsing: text) }
      #expect(error?.description.contains("such as 0.15..1.3") == true)
    }
  }

  @Test("Options that are on are listed with texts that are read back as the same options")
  func settings() throws {
    var options = AugmentationOptions()
    options.scale = .steps(low: 0.5, high: 2, by: 0.25)
    options.distortion = ColorDistortion(contrast: 0.1 + 0.2, probability: 1.0 / 3)
    options.blur = BlurRange(0.15, 1.3)
    options.classUniform = 0.5
    let settings = options.settings
    #expect(settings.map(\.option) == ["--scale", "--distort", "--blur", "--class-uniform"])
    var same = AugmentationOptions()
    same.scale = try ScaleFactors(parsing: settings[0].value)
    same.distortion = try ColorDistortion(parsing: settings[1].value)
    same.blur = try BlurRange(parsing: settings[2].value)
    same.classUniform = try #require(Double(settings[3].value))
    #expect(same == options)
    #expect(try JSON.decode(AugmentationOptions.self, from: JSON.encode(options)) == options)
  }
}
