//! GlobalPlatform secure channels, card content management and card data.
