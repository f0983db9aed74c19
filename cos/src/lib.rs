//! Native card commands: external authentication and key update, PBOC style.
