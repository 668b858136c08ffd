use thinjail_tests as _;
