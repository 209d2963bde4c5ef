import Foundation

/// The JSON of every file and message of this program: non-finite numbers are the strings "inf", "-inf" and "nan".
package enum JSON {
  package static func encode(
    _ value: some Encodable, _ formatting: JSONEncoder.OutputFormatting = [],
    keys: JSONEncoder.KeyEncodingStrategy = .useDefaultKeys
  ) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = formatting
    encoder.keyEncodingStrategy = keys
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return try encoder.encode(value)
  }

  /// A text as a JSON string, with its quotation marks.
  package static func quoted(_ text: String) -> String {
    // A string can always be encoded.
    (try? encode(text, .withoutEscapingSlashes)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
  }

  package static func decode<Value: Decodable>(
    _ type: Value.Type, from data: Data, keys: JSONDecoder.KeyDecodingStrategy = .useDefaultKeys
  ) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = keys
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return try decoder.decode(type, from: data)
  }
}
