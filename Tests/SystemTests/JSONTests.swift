import Foundation
import System
import Testing

@Suite("JSON")
struct JSONTests {
  @Test("Numbers that are not finite survive")
  func nonFinite() throws {
    let values = [1.5, .infinity, -.infinity]
    let data = try JSON.encode(values)
    #expect(String(decoding: data, as: UTF8.self) == #"[1.5,"inf","-inf"]"#)
    #expect(try JSON.decode([Double].self, from: data) == values)
    #expect(try JSON.decode([Double].self, from: JSON.encode([Double.nan]))[0].isNaN)
  }
}
