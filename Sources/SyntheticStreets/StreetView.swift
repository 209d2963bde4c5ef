/// A pinhole camera above a straight street: projects points of the street to the canvas.
///
/// In meters: `x` to the right of the camera, `y` up from the ground, `z` ahead of the camera.
struct StreetView {
  /// Height of the camera above the ground, in meters.
  let eye: Float = 1.5
  /// Focal length: pixels of one meter at a distance of one meter.
  let focal: Float
  /// Column of the vanishing point and row of the horizon.
  let center: Float
  let horizon: Float
  /// The color of haze.
  let haze: Paint

  /// The projection of the point where an object stands on the ground.
  struct Foot {
    let column: Float
    let row: Float
    /// Pixels of one meter.
    let scale: Float
    let distance: Float
  }

  func foot(x: Float, z: Float) -> Foot {
    Foot(column: center + focal * x / z, row: horizon + focal * eye / z, scale: focal / z, distance: z)
  }

  /// A color seen through `distance` meters of haze.
  func hazed(_ paint: Paint, _ distance: Float) -> Paint {
    let fraction = distance / (distance + 160)
    return paint * (1 - fraction) + haze * fraction
  }
}
