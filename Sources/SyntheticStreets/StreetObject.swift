import Tensors

/// Paints objects that stand on the street, composed of simple shapes in meters.
struct StreetObject {
  private let foot: StreetView.Foot
  private let view: StreetView
  private var texture: Texture

  /// - Parameters:
  ///   - x: meters to the right of the camera.
  ///   - z: meters ahead of it.
  init(_ view: StreetView, x: Float, z: Float, texture: Texture) {
    self.view = view
    self.texture = texture
    foot = view.foot(x: x, z: z)
  }

  // MARK: - Vehicles

  func car(_ paint: Paint, on canvas: inout StreetCanvas) {
    let id: UInt8 = 26
    shadow(2.1, on: &canvas)
    for side: Float in [-1, 1] { box(side * 0.74 - 0.14, 0, 0.28, 0.5, Paint(28, 28, 30), id, on: &canvas) }
    trapezoid(from: 0.85, wide: 1.56, to: 1.46, wide: 1.16, paint * 0.9, id, on: &canvas)
    trapezoid(from: 0.92, wide: 1.34, to: 1.36, wide: 1.06, Paint(58, 70, 84), id, on: &canvas)
    box(-0.88, 0.26, 1.76, 0.66, paint, id, on: &canvas)
    box(-0.88, 0.26, 1.76, 0.16, paint * 0.6, id, on: &canvas)
    box(-0.24, 0.48, 0.48, 0.13, Paint(226, 226, 214), id, on: &canvas)
    for side: Float in [-1, 1] { box(side * 0.7 - 0.15, 0.64, 0.3, 0.16, Paint(206, 34, 30), id, on: &canvas) }
  }

  func truck(_ paint: Paint, on canvas: inout StreetCanvas) {
    let id: UInt8 = 27
    shadow(2.7, on: &canvas)
    for side: Float in [-1, 1] { box(side * 0.9 - 0.25, 0, 0.5, 0.9, Paint(24, 24, 26), id, on: &canvas) }
    box(-1.25, 0.6, 2.5, 2.9, paint, id, on: &canvas)
    box(-1.13, 0.72, 2.26, 2.66, paint * 0.86, id, on: &canvas)
    box(-0.03, 0.72, 0.06, 2.66, paint * 0.6, id, on: &canvas)
    box(-1.25, 0.5, 2.5, 0.14, Paint(196, 40, 34), id, on: &canvas)
  }

  func bus(_ paint: Paint, on canvas: inout StreetCanvas) {
    let id: UInt8 = 28
    shadow(2.7, on: &canvas)
    for side: Float in [-1, 1] { box(side * 0.9 - 0.22, 0, 0.44, 0.7, Paint(24, 24, 26), id, on: &canvas) }
    box(-1.26, 0.35, 2.52, 2.7, paint, id, on: &canvas)
    box(-1.08, 1.4, 2.16, 1.1, Paint(46, 56, 70), id, on: &canvas)
    box(-0.7, 2.62, 1.4, 0.28, Paint(250, 176, 60), id, on: &canvas)
    for side: Float in [-1, 1] { box(side * 1.05 - 0.12, 0.6, 0.24, 0.3, Paint(220, 44, 36), id, on: &canvas) }
  }

  func train(_ paint: Paint, on canvas: inout StreetCanvas) {
    let id: UInt8 = 31
    shadow(2.8, on: &canvas)
    box(-1.1, 0.05, 2.2, 0.5, Paint(48, 48, 50), id, on: &canvas)
    trapezoid(from: 0.4, wide: 2.66, to: 3.4, wide: 2.3, Paint(228, 230, 226), id, on: &canvas)
    box(-1.3, 0.5, 2.6, 0.75, paint, id, on: &canvas)
    trapezoid(from: 1.5, wide: 2.16, to: 2.75, wide: 2.0, Paint(40, 52, 60), id, on: &canvas)
    box(-0.5, 2.9, 1.0, 0.26, Paint(255, 214, 90), id, on: &canvas)
    for side: Float in [-1, 1] { ellipse(side * 0.9, 0.9, 0.14, 0.14, Paint(255, 250, 210), id, on: &canvas) }
  }

  func motorcycle(rider paint: Paint, on canvas: inout StreetCanvas) {
    let id: UInt8 = 32
    shadow(0.9, on: &canvas)
    box(-0.11, 0, 0.22, 0.68, Paint(26, 26, 30), id, on: &canvas)
    ellipse(0, 0.72, 0.3, 0.26, Paint(44, 46, 196), id, on: &canvas)
    box(-0.42, 0.98, 0.84, 0.09, Paint(40, 40, 44), id, on: &canvas)
    box(-0.1, 0.62, 0.2, 0.12, Paint(226, 40, 34), id, on: &canvas)
    rider(paint, seat: 0.86, legs: 0.34, on: &canvas)
  }

  func bicycle(rider paint: Paint, on canvas: inout StreetCanvas) {
    let id: UInt8 = 33
    shadow(1.5, on: &canvas)
    for side: Float in [-1, 1] {
      ellipse(side * 0.52, 0.34, 0.35, 0.35, Paint(34, 26, 30), id, on: &canvas)
      ellipse(side * 0.52, 0.34, 0.27, 0.27, Paint(126, 84, 90), id, on: &canvas)
    }
    trapezoid(from: 0.32, wide: 0.5, to: 0.82, wide: 0.86, Paint(148, 34, 52), id, on: &canvas)
    box(0.4, 0.8, 0.16, 0.24, Paint(40, 30, 34), id, on: &canvas)
    rider(paint, seat: 0.84, legs: 0.16, on: &canvas)
  }

  private func rider(_ paint: Paint, seat: Float, legs: Float, on canvas: inout StreetCanvas) {
    let id: UInt8 = 25
    box(-legs, seat - 0.45, 0.15, 0.6, Paint(58, 50, 92), id, on: &canvas)
    box(legs - 0.15, seat - 0.45, 0.15, 0.6, Paint(58, 50, 92), id, on: &canvas)
    ellipse(0, seat + 0.34, 0.27, 0.4, paint, id, on: &canvas)
    ellipse(0, seat + 0.84, 0.15, 0.17, Paint(240, 214, 60), id, on: &canvas)
  }

  // MARK: - People

  func person(_ paint: Paint, tall: Float, on canvas: inout StreetCanvas) {
    let id: UInt8 = 24
    shadow(0.7, on: &canvas)
    let trousers = Paint(52, 54, 76)
    box(-0.17, 0, 0.15, 0.84 * tall, trousers, id, on: &canvas)
    box(0.02, 0, 0.15, 0.84 * tall, trousers * 0.9, id, on: &canvas)
    for side: Float in [-1, 1] { ellipse(side * 0.25, 1.06 * tall, 0.07, 0.3, paint * 0.85, id, on: &canvas) }
    ellipse(0, 1.1 * tall, 0.23, 0.37 * tall, paint, id, on: &canvas)
    ellipse(0, 1.59 * tall, 0.115, 0.15, Paint(222, 174, 146), id, on: &canvas)
    ellipse(0, 1.67 * tall, 0.118, 0.08, Paint(66, 46, 36), id, on: &canvas)
  }

  // MARK: - Street furniture

  func pole(height: Float, on canvas: inout StreetCanvas) {
    box(-0.08, 0, 0.16, height, Paint(132, 136, 138), 17, on: &canvas)
    box(-0.08, 0, 0.06, height, Paint(170, 174, 176), 17, on: &canvas)
  }

  /// - Parameter lit: 0 red, 1 amber, 2 green.
  func trafficLight(lit: Int, on canvas: inout StreetCanvas) {
    let id: UInt8 = 19
    pole(height: 3.1, on: &canvas)
    box(-0.24, 2.5, 0.48, 1.24, Paint(34, 36, 30), id, on: &canvas)
    let lamps = [Paint(255, 56, 40), Paint(255, 190, 40), Paint(60, 240, 120)]
    for (index, lamp) in lamps.enumerated() {
      let paint = index == lit ? lamp : lamp * 0.3
      ellipse(0, 3.52 - 0.4 * Float(index), 0.15, 0.15, paint, id, on: &canvas)
    }
  }

  func trafficSign(kind: Int, on canvas: inout StreetCanvas) {
    let id: UInt8 = 20
    pole(height: 2.6, on: &canvas)
    switch kind {
    case 0:
      ellipse(0, 2.6, 0.42, 0.42, Paint(214, 34, 38), id, on: &canvas)
      box(-0.27, 2.53, 0.54, 0.14, Paint(248, 248, 244), id, on: &canvas)
    case 1:
      box(-0.38, 2.2, 0.76, 0.76, Paint(34, 82, 196), id, on: &canvas)
      box(-0.2, 2.34, 0.4, 0.48, Paint(244, 244, 248), id, on: &canvas)
    default:
      trapezoid(from: 2.2, wide: 0.9, to: 2.98, wide: 0.04, Paint(214, 36, 36), id, on: &canvas)
      trapezoid(from: 2.29, wide: 0.6, to: 2.76, wide: 0.04, Paint(250, 246, 220), id, on: &canvas)
    }
  }

  func bin(on canvas: inout StreetCanvas) {
    box(-0.25, 0, 0.5, 0.9, Paint(92, 66, 40), 4, on: &canvas)
    box(-0.28, 0.84, 0.56, 0.1, Paint(60, 44, 30), 4, on: &canvas)
  }

  func tree(height: Float, on canvas: inout StreetCanvas) {
    let id: UInt8 = 21
    shadow(1.6, on: &canvas)
    box(-0.13, 0, 0.26, height * 0.6, Paint(82, 66, 48), id, on: &canvas)
    let (radius, middle) = (height * 0.34, height * 0.72)
    let scale = foot.scale
    canvas.fill(bounds(-radius * 1.2, middle - radius * 1.2, 2.4 * radius, 2.4 * radius), id) { x, y, _ in
      let (right, up) = ((x - foot.column) / scale, (foot.row - y) / scale)
      let (dx, dy) = (right / radius, (up - middle) / radius)
      let edge = 0.72 + 0.7 * texture.cloudy(right * 1.6 + 100, up * 1.6)
      guard dx * dx + dy * dy < edge * edge else { return nil }
      let shade = 0.55 + 0.7 * texture.cloudy(right * 3.4, up * 3.4) + 0.18 * (dy + dx)
      return view.hazed(Paint(74, 118, 46) * shade, foot.distance)
    }
  }

  // MARK: - Shapes, in meters from the foot of the object

  private func bounds(_ left: Float, _ bottom: Float, _ width: Float, _ height: Float) -> Box {
    Box(
      left: foot.column + left * foot.scale, top: foot.row - (bottom + height) * foot.scale,
      right: foot.column + (left + width) * foot.scale, bottom: foot.row - bottom * foot.scale)
  }

  private func box(
    _ left: Float, _ bottom: Float, _ width: Float, _ height: Float, _ paint: Paint, _ id: UInt8,
    on canvas: inout StreetCanvas
  ) {
    let paint = view.hazed(paint, foot.distance)
    canvas.fill(bounds(left, bottom, width, height), id) { _, _, _ in paint }
  }

  private func ellipse(
    _ x: Float, _ y: Float, _ width: Float, _ height: Float, _ paint: Paint, _ id: UInt8,
    on canvas: inout StreetCanvas
  ) {
    let paint = view.hazed(paint, foot.distance)
    let area = bounds(x - width, y - height, 2 * width, 2 * height)
    let (middleX, middleY) = ((area.left + area.right) / 2, (area.top + area.bottom) / 2)
    canvas.fill(area, id) { column, row, _ in
      let dx = (column - middleX) / (width * foot.scale)
      let dy = (row - middleY) / (height * foot.scale)
      return dx * dx + dy * dy <= 1 ? paint * (1 - 0.12 * dy) : nil
    }
  }

  /// A symmetric trapezoid, `wide` meters wide at each of two heights.
  private func trapezoid(
    from bottom: Float, wide lower: Float, to top: Float, wide upper: Float, _ paint: Paint, _ id: UInt8,
    on canvas: inout StreetCanvas
  ) {
    let paint = view.hazed(paint, foot.distance)
    let widest = max(lower, upper)
    let area = bounds(-widest / 2, bottom, widest, top - bottom)
    canvas.fill(area, id) { column, row, _ in
      let up = (area.bottom - row) / max(area.bottom - area.top, 1)
      let half = (lower + (upper - lower) * up) * foot.scale / 2
      return abs(column - foot.column) <= half ? paint : nil
    }
  }

  /// Darkens the ground and keeps its label.
  private func shadow(_ width: Float, on canvas: inout StreetCanvas) {
    let area = bounds(-width / 2, -0.12, width, 0.3)
    let (middleX, middleY) = ((area.left + area.right) / 2, (area.top + area.bottom) / 2)
    canvas.fill(area, nil) { column, row, below in
      let dx = 2 * (column - middleX) / (area.right - area.left)
      let dy = 2 * (row - middleY) / (area.bottom - area.top)
      let share = 1 - dx * dx - dy * dy
      return share > 0 ? below * (1 - 0.5 * min(2 * share, 1)) : nil
    }
  }
}
